"""MySQL, by PyMySQL. MariaDB, which may be the server behind it, knows the words of its attempts, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias
from urllib.parse import urlsplit

import pymysql

Connection: TypeAlias = "pymysql.Connection[pymysql.cursors.Cursor]"

ERRORS: tuple[type[Exception], ...] = (pymysql.Error,)
REFUSED = r"Unknown storage engine|denied|not allowed|doesn't exist or you don't have"
FULL = r"[Oo]ut of memory|Needed \d+ bytes"
LASTING = True
DELAY = 0.0
ESCAPES: Mapping[str, Sequence[str]] = {
    "files": [
        "SELECT 1 INTO OUTFILE '/tmp/stolen'",
        "LOAD DATA INFILE '/etc/passwd' INTO TABLE written",
    ],
    "programs": [
        "INSTALL PLUGIN x SONAME 'ha_archive.so'",
        "CREATE FUNCTION f RETURNS STRING SONAME 'libc.so.6'",
    ],
    "other databases": [
        "DROP DATABASE mysql",
        "SELECT * FROM mysql.user",
        "SELECT * FROM mysql.db",
        "CREATE VIEW v AS SELECT * FROM mysql.db",
        "RENAME TABLE written TO mysql.written",
        "CREATE TABLE c (a INT) ENGINE=FEDERATED CONNECTION='mysql://root@127.0.0.1:1/test/c'",
        "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1')",
    ],
    "settings": ["SET GLOBAL max_connections = 1", "FLUSH TABLES", "SHUTDOWN"],
    "snapshots": ["PURGE BINARY LOGS BEFORE NOW()"],
    "users": [
        "CREATE USER other",
        "DROP USER dbyard",
        "GRANT ALL ON *.* TO CURRENT_USER",
        "GRANT SELECT ON written TO dbyard",
        "CREATE DEFINER = dbyard@`%` VIEW v AS SELECT 1",
    ],
}
_PIECE, _PIECES = 8_000_000, 200


class Tenant:
    def __init__(self, url: str) -> None:
        self._connection = connect(url)
        with self._connection.cursor() as cursor:
            if cursor.execute("SHOW TABLES LIKE 'written'") == 0:
                cursor.execute("CREATE TABLE IF NOT EXISTS written (number BIGINT PRIMARY KEY)")

    def write(self, number: int) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute("INSERT INTO written VALUES (%s)", (number,))

    def write_many(self, numbers: range) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany("INSERT INTO written VALUES (%s)", [(number,) for number in numbers])

    def read(self) -> set[int]:
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT number FROM written")
            return {row[0] for row in cursor.fetchall()}

    def attempt(self, escape: str) -> object:
        with self._connection.cursor() as cursor:
            cursor.execute(escape)
            return cursor.fetchall()

    def bomb(self) -> None:
        """Variables of a session have no limit of their own."""
        with self._connection.cursor() as cursor:
            for number in range(_PIECES):
                cursor.execute(f"SET @a{number} = REPEAT('x', {_PIECE})")

    def close(self) -> None:
        if self._connection.open:
            self._connection.close()


def connect(url: str, *, password: str | None = None, authority: str | None = None) -> Connection:
    """`authority` is the file of the only CA that the server's certificate may come from; without it, no TLS."""
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname,
        port=parts.port or 0,
        user=parts.username,
        password=password or parts.password or "",
        database=parts.path.lstrip("/"),
        autocommit=True,
        connect_timeout=5,
        ssl_disabled=authority is None,
        ssl_ca=authority,
        ssl_verify_cert=authority is not None,
        ssl_verify_identity=authority is not None,
    )
