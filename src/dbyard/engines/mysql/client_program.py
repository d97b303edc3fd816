"""mariadb or mysql, for `dbyard connect`."""

from __future__ import annotations

from dbyard.engines import Login

PROGRAMS = ("mariadb", "mysql")
PASSWORD_VARIABLE = "MYSQL_PWD"  # noqa: S105 - a name


def client_arguments(login: Login) -> list[str]:
    # A password in somebody's option files would win over the one in the environment.
    options = ["--no-defaults", "--protocol=tcp", f"--host={login.host}", f"--port={login.port}"]
    return [*options, f"--user={login.user}", login.database]
