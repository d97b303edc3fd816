"""A Django that makes its test database, migrates it, and drops it: `python -m tests.clients.django_site URL`."""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

import django  # type: ignore[import-untyped]
import pymysql
from django.conf import settings  # type: ignore[import-untyped]
from django.db import connection  # type: ignore[import-untyped]
from django.test.runner import DiscoverRunner  # type: ignore[import-untyped]

QUESTIONS = {
    "postgresql": "SELECT current_database(), string_agg(DISTINCT app, ', ' ORDER BY app) FROM django_migrations",
    "mysql": "SELECT database(), group_concat(DISTINCT app ORDER BY app SEPARATOR ', ') FROM django_migrations",
}


def main(url: str) -> None:
    parts = urlsplit(url)
    pymysql.install_as_MySQLdb()
    pymysql.version_info = (2, 2, 8, "final", 0)  # of the client that Django expects
    database = {
        "ENGINE": f"django.db.backends.{parts.scheme}",
        "NAME": parts.path.removeprefix("/"),
        "USER": parts.username,
        "PASSWORD": parts.password,
        "HOST": parts.hostname,
        "PORT": parts.port,
    }
    settings.configure(
        DATABASES={"default": database},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()
    runner = DiscoverRunner(verbosity=0, interactive=False)
    made = runner.setup_databases()
    with connection.cursor() as cursor:
        cursor.execute(QUESTIONS[parts.scheme])
        name, applications = cursor.fetchone()
    runner.teardown_databases(made)
    print(name, applications)  # noqa: T201


main(sys.argv[1])
