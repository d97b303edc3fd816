"""Rows that fill a database: each a number, and a kilobyte of text that a compressor makes half as large."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import psycopg
import pymysql
import redis

from benchmarks.tenant import Tenant

_ROW, _BATCH = 1000, 1000
_BATCH_BYTES = _ROW * _BATCH
Rows = list[tuple[int, str]]


def fill(tenant: Tenant, size: int) -> None:
    """So many bytes, the same ones each time."""
    _FILL[tenant.technology](tenant, _batches(size))


def read_one(tenant: Tenant) -> None:
    """Its first row is there; raises what the driver raises, or AssertionError."""
    with reading(tenant) as read:
        read(0)


@contextmanager
def reading(tenant: Tenant) -> Iterator[Callable[[int], None]]:
    """Reads the row of a number, each time by the same connection."""
    with _READING[tenant.technology](tenant) as read:
        yield read


def _batches(size: int) -> Iterator[Rows]:
    chance = random.Random(1)
    for number in range(max(1, size // _BATCH_BYTES)):
        text = chance.randbytes(_BATCH_BYTES // 2).hex()
        yield [(number * _BATCH + each, text[each * _ROW : (each + 1) * _ROW]) for each in range(_BATCH)]


def _fill_postgresql(tenant: Tenant, batches: Iterator[Rows]) -> None:
    with psycopg.connect(tenant.url) as session:
        session.execute("CREATE TABLE filled (id int PRIMARY KEY, text text)")
        with session.cursor().copy("COPY filled FROM STDIN") as copy:
            for batch in batches:
                copy.write("".join(f"{number}\t{text}\n" for number, text in batch))


def _fill_mysql(tenant: Tenant, batches: Iterator[Rows]) -> None:
    with _connect_mysql(tenant) as session, session.cursor() as cursor:
        cursor.execute("CREATE TABLE filled (id int PRIMARY KEY, text text)")
        for batch in batches:
            cursor.executemany("INSERT INTO filled VALUES (%s, %s)", batch)
            session.commit()


def _fill_redis(tenant: Tenant, batches: Iterator[Rows]) -> None:
    with redis.Redis.from_url(tenant.url) as client:
        for batch in batches:
            client.mset({f"filled:{number}": text for number, text in batch})


@contextmanager
def _reading_postgresql(tenant: Tenant) -> Iterator[Callable[[int], None]]:
    with psycopg.connect(tenant.url, connect_timeout=2, autocommit=True) as session:

        def read(number: int) -> None:
            assert session.execute("SELECT text FROM filled WHERE id = %s", (number,)).fetchone()

        yield read


@contextmanager
def _reading_mysql(tenant: Tenant) -> Iterator[Callable[[int], None]]:
    with _connect_mysql(tenant) as session, session.cursor() as cursor:

        def read(number: int) -> None:
            cursor.execute("SELECT text FROM filled WHERE id = %s", (number,))
            assert cursor.fetchone()

        yield read


@contextmanager
def _reading_redis(tenant: Tenant) -> Iterator[Callable[[int], None]]:
    with redis.Redis.from_url(tenant.url) as client:

        def read(number: int) -> None:
            assert client.get(f"filled:{number}")

        yield read


def _connect_mysql(tenant: Tenant) -> pymysql.Connection:
    return pymysql.connect(
        host=tenant.host, port=tenant.port, user=tenant.user, password=tenant.password, database=tenant.database
    )


_FILL: dict[str, Callable[[Tenant, Iterator[Rows]], None]] = {
    "postgresql": _fill_postgresql,
    "mysql": _fill_mysql,
    "mariadb": _fill_mysql,
    "redis": _fill_redis,
}
_READING: dict[str, Callable[[Tenant], AbstractContextManager[Callable[[int], None]]]] = {
    "postgresql": _reading_postgresql,
    "mysql": _reading_mysql,
    "mariadb": _reading_mysql,
    "redis": _reading_redis,
}
