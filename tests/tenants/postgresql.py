"""PostgreSQL, by psycopg."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import LiteralString

import psycopg

ERRORS: tuple[type[Exception], ...] = (psycopg.Error,)
REFUSED = r"permission denied|must be owner|must be superuser|Only roles with"
FULL = r"out of memory"
LASTING = True
DELAY = 0.0
ESCAPES: Mapping[str, Sequence[LiteralString]] = {
    "files": [
        "SELECT pg_read_file('/etc/passwd')",
        "COPY (SELECT 1) TO '/tmp/stolen'",
        "COPY written FROM '/etc/passwd'",
        "SELECT lo_import('/etc/passwd')",
        "SELECT pg_ls_dir('.')",
    ],
    "programs": ["COPY (SELECT 1) TO PROGRAM 'true'", "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'libc', 'abs'"],
    "other databases": [
        "CREATE DATABASE other TEMPLATE postgres",
        "DROP DATABASE postgres",
        "CREATE EXTENSION postgres_fdw",
    ],
    "settings": ["ALTER SYSTEM SET jit = on", "SET temp_file_limit = -1", "SELECT pg_reload_conf()"],
    "snapshots": ["SELECT pg_backup_start('x')", "SELECT pg_create_physical_replication_slot('x')"],
    "users": [
        "CREATE ROLE other SUPERUSER",
        "CREATE ROLE other IN ROLE pg_read_server_files",
        "SELECT * FROM pg_authid",
        "ALTER ROLE dbyard PASSWORD 'x'",
        "GRANT dbyard TO CURRENT_USER",
        "SET ROLE dbyard",
    ],
}


class Tenant:
    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True, connect_timeout=5)
        if self._connection.execute("SELECT to_regclass('written')").fetchone() == (None,):
            self._connection.execute("CREATE TABLE IF NOT EXISTS written (number bigint PRIMARY KEY)")

    def write(self, number: int) -> None:
        self._connection.execute("INSERT INTO written VALUES (%s)", (number,))

    def write_many(self, numbers: range) -> None:
        self._connection.execute(
            "INSERT INTO written SELECT generate_series(%s::bigint, %s)", (numbers[0], numbers[-1])
        )

    def read(self) -> set[int]:
        return {row[0] for row in self._connection.execute("SELECT number FROM written")}

    def attempt(self, escape: LiteralString) -> object:
        return self._connection.execute(escape)

    def bomb(self) -> None:
        self._connection.execute("SELECT string_agg(repeat('x', 1000000), '') FROM generate_series(1, 1000)")

    def close(self) -> None:
        self._connection.close()
