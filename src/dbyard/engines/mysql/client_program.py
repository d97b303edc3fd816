"""mariadb or mysql, for `dbyard connect`."""

from __future__ import annotations

from dbyard.engines import Login

PROGRAMS = ("mariadb", "mysql")
PASSWORD_VARIABLE = "MYSQL_PWD"  # noqa: S105 - a name
DUMP_PROGRAMS = ("mariadb-dump", "mysqldump")
DUMPS_TO_A_FILE = False
_DUMP_OPTIONS = (
    *("--single-transaction", "--quick", "--routines", "--events", "--triggers", "--no-tablespaces", "--hex-blob"),
    *("--default-character-set=utf8mb4", "--max-allowed-packet=1G"),
)
_OF_PROGRAMS = {
    "mysqldump": ("--set-gtid-purged=OFF", "--column-statistics=0"),
    "mariadb-dump": ("--skip-ssl-verify-server-cert",),
}
"""The one knows no options of the other; by these both take TLS where the server has it, as MySQL's own do."""


def client_arguments(login: Login) -> list[str]:
    # A password in somebody's option files would win over the one in the environment.
    options = ["--no-defaults", "--protocol=tcp", f"--host={login.host}", f"--port={login.port}"]
    return [*options, f"--user={login.user}", login.database]


def dump_arguments(login: Login, program: str, path: str) -> list[str]:  # noqa: ARG001 - to its standard output
    *first, database = client_arguments(login)
    return [*first, *_DUMP_OPTIONS, *_OF_PROGRAMS[program], database]
