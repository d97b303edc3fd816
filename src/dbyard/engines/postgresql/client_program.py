"""psql, for `dbyard connect`."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from dbyard.engines import Login

PROGRAMS = ("psql",)
PASSWORD_VARIABLE = "PGPASSWORD"  # noqa: S105 - a name
DUMP_PROGRAMS = ("pg_dump",)
DUMPS_TO_A_FILE = False


def client_arguments(login: Login) -> list[str]:
    place = f"[{login.host}]" if ":" in login.host else login.host
    user = quote(login.user, safe="")
    return [urlsplit(login.url)._replace(netloc=f"{user}@{place}:{login.port}").geturl()]


def dump_arguments(login: Login, program: str, path: str) -> list[str]:  # noqa: ARG001 - to its standard output
    return ["--format=custom", "--no-tablespaces", "--no-subscriptions", *client_arguments(login)]
