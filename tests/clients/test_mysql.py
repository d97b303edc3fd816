"""The URL of a MySQL and of a MariaDB as drivers take it, and the first day of a framework."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing

import pytest
from sqlalchemy import create_engine, text

from dbyard import wire
from tests.clients import scalingojs
from tests.e2e.platforms import Platform, require
from tests.tenants.mysql import connect


@pytest.fixture(params=[("mysql", "9.7"), ("mariadb", "10.11")], ids="-".join)
def connection(request: pytest.FixtureRequest, served: Platform) -> wire.Connection:
    require(*request.param)
    return served.create("from-drivers", *request.param)


class TestUrl:
    def test_mysql2(self, connection: wire.Connection) -> None:
        """Without TLS, so that MySQL's password goes by the server's RSA key."""
        scalingojs.install()
        query = "SELECT CONVERT_TZ('2024-07-01 12:00:00', 'UTC', 'Europe/Paris') AS there"
        (row,) = scalingojs.run_json("query_mysql.mjs", {"url": connection.url, "query": query})
        assert row["there"].startswith("2024-07-01T14:00:00")

    def test_sqlalchemy(self, connection: wire.Connection) -> None:
        engine = create_engine(connection.forms["sqlalchemy"])
        with engine.connect() as session:
            assert session.execute(text("SELECT 1")).scalar() == 1
        engine.dispose()


class TestDjango:
    def test_makes_and_drops_its_test_database(self, connection: wire.Connection) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "tests.clients.django_site", connection.url],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, f"test_{connection.database} auth, contenttypes\n"), done.stderr
        with closing(connect(connection.url)) as session, session.cursor() as cursor:
            cursor.execute("SHOW DATABASES LIKE 'test%'")
            assert cursor.fetchall() == ()
