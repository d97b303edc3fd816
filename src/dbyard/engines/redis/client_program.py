"""redis-cli, for `dbyard connect`."""

from __future__ import annotations

from dbyard.engines import Login

PROGRAMS = ("redis-cli",)
PASSWORD_VARIABLE = "REDISCLI_AUTH"  # noqa: S105 - a name
DUMP_PROGRAMS = PROGRAMS
DUMPS_TO_A_FILE = True
"""The mark at the end of what a server sends can only be cut off a file."""


def client_arguments(login: Login) -> list[str]:
    tls = ["--tls"] if login.url.startswith("rediss:") else []
    return ["-h", login.host, "-p", str(login.port), "--user", login.user, "-n", login.database, *tls]


def dump_arguments(login: Login, program: str, path: str) -> list[str]:  # noqa: ARG001 - there is one
    tls = ["--tls"] if login.url.startswith("rediss:") else []
    user = ["--user", login.user] if login.user else []
    return ["-h", login.host, "-p", str(login.port), *user, *tls, "--rdb", path]
