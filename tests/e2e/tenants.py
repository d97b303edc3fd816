"""A tenant of each technology, through its own client: what it writes is acknowledged, and read again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol, TypeAlias
from urllib.parse import urlsplit

import psycopg
import pymysql
import redis

from tests.e2e.platforms import wait_for

MysqlConnection: TypeAlias = "pymysql.Connection[pymysql.cursors.Cursor]"


class Tenant(Protocol):
    """One connection. Every method raises the client's own error when the server is not there."""

    def write(self, number: int) -> None:
        """When it returns, the number has been acknowledged."""

    def write_many(self, numbers: range) -> None: ...

    def read(self) -> set[int]: ...

    def close(self) -> None: ...


class PostgresTenant:
    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True, connect_timeout=5)
        self._connection.execute("CREATE TABLE IF NOT EXISTS written (number bigint PRIMARY KEY)")

    def write(self, number: int) -> None:
        self._connection.execute("INSERT INTO written VALUES (%s)", (number,))

    def write_many(self, numbers: range) -> None:
        self._connection.execute(
            "INSERT INTO written SELECT generate_series(%s::bigint, %s)", (numbers[0], numbers[-1])
        )

    def read(self) -> set[int]:
        return {row[0] for row in self._connection.execute("SELECT number FROM written")}

    def close(self) -> None:
        self._connection.close()


class MysqlTenant:
    def __init__(self, url: str) -> None:
        self._connection = connect_mysql(url)
        self._execute("CREATE TABLE IF NOT EXISTS written (number BIGINT PRIMARY KEY)")

    def write(self, number: int) -> None:
        self._execute("INSERT INTO written VALUES (%s)", (number,))

    def write_many(self, numbers: range) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany("INSERT INTO written VALUES (%s)", [(number,) for number in numbers])

    def read(self) -> set[int]:
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT number FROM written")
            return {row[0] for row in cursor.fetchall()}

    def close(self) -> None:
        if self._connection.open:
            self._connection.close()

    def _execute(self, statement: str, values: tuple[int, ...] = ()) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(statement, values)


class RedisTenant:
    def __init__(self, url: str) -> None:
        self._connection: redis.Redis = redis.Redis.from_url(url, socket_connect_timeout=5, retry=None)
        self._connection.ping()

    def write(self, number: int) -> None:
        self._connection.set(f"written:{number}", number)

    def write_many(self, numbers: range) -> None:
        self._connection.mset({f"written:{number}": number for number in numbers})

    def read(self) -> set[int]:
        return {int(key.rpartition(b":")[2]) for key in self._connection.scan_iter("written:*", count=10_000)}

    def close(self) -> None:
        self._connection.close()


TENANTS: dict[str, Callable[[str], Tenant]] = {
    "postgresql": PostgresTenant,
    "mysql": MysqlTenant,
    "redis": RedisTenant,
}
ERRORS = (psycopg.Error, pymysql.Error, redis.RedisError, OSError)


def connect(technology: str, url: str) -> Tenant:
    return TENANTS[technology](url)


def connect_mysql(url: str, *, password: str | None = None, authority: str | None = None) -> MysqlConnection:
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


def answers(technology: str, url: str) -> bool:
    try:
        connect(technology, url).close()
    except ERRORS:
        return False
    return True


def await_answer(technology: str, url: str, seconds: float) -> None:
    wait_for(lambda: answers(technology, url), lambda: f"no {technology} answers", seconds)


class Writer:
    """Writes numbers one after the other until its server dies; `acknowledged` are those that must never be lost."""

    def __init__(self, technology: str, url: str, first: int) -> None:
        self.acknowledged: list[int] = []
        self._tenant = connect(technology, url)
        self._thread = threading.Thread(target=self._run, args=(first,))
        self._thread.start()

    def await_some(self, count: int = 50) -> None:
        wait_for(lambda: len(self.acknowledged) >= count, lambda: f"only {len(self.acknowledged)} writes", 30)

    def join(self) -> None:
        """Its server is dead, so it ends."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._tenant.close()

    def _run(self, number: int) -> None:
        while True:
            try:
                self._tenant.write(number)
            except ERRORS:
                return
            self.acknowledged.append(number)
            number += 1
