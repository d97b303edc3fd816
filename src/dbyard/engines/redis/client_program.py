"""redis-cli, for `dbyard connect`."""

from __future__ import annotations

from dbyard.engines import Login

PROGRAMS = ("redis-cli",)
PASSWORD_VARIABLE = "REDISCLI_AUTH"  # noqa: S105 - a name


def client_arguments(login: Login) -> list[str]:
    tls = ["--tls"] if login.url.startswith("rediss:") else []
    return ["-h", login.host, "-p", str(login.port), "--user", login.user, "-n", login.database, *tls]
