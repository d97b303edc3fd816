"""What a tenant may still do when its disk is nearly full, and when it is full, on real servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
import pymysql
import pytest
import redis

from dbyard.model import Restriction

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server

VERSIONS = [("postgresql", "17"), ("postgresql", "15"), ("mysql", "9.7"), ("mariadb", "10.11"), ("redis", "7.0")]
REFUSED = (psycopg.Error, pymysql.Error, redis.RedisError)


@dataclass(frozen=True, slots=True)
class Session:
    """One connection of the tenant; every function raises the client's own error when it is refused."""

    write: Callable[[], object]
    count: Callable[[], int]
    free: Callable[[], object]
    """Gives the space of everything written back, as far as a read-only tenant can."""


@contextmanager
def postgresql(server: Server) -> Iterator[Session]:
    with psycopg.connect(server.engine.url(server.endpoint, server.credentials), autocommit=True) as connection:

        def free() -> None:
            connection.execute("BEGIN READ WRITE; TRUNCATE written; COMMIT")

        def write() -> None:
            if count_tables() == 0:
                connection.execute("CREATE TABLE written (text text)")
            connection.execute("INSERT INTO written SELECT repeat('x', 1000) FROM generate_series(1, 100)")

        def count_tables() -> int:
            return _one(connection.execute("SELECT count(*) FROM pg_tables WHERE tablename = 'written'").fetchone())

        def count() -> int:
            return _one(connection.execute("SELECT count(*) FROM written").fetchone())

        yield Session(write, count, free)


@contextmanager
def mysql(server: Server) -> Iterator[Session]:
    access = server.credentials
    connection = pymysql.connect(
        host=server.endpoint.host,
        port=server.endpoint.port,
        user=access.user,
        password=access.password,
        database=access.database,
        autocommit=True,
    )

    def execute(statement: str) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()

    def write() -> None:
        if _one(execute("SELECT count(*) FROM information_schema.tables WHERE table_name = 'written'")) == 0:
            execute("CREATE TABLE written (text text)")
        numbers = "numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 100)"
        execute(f"INSERT INTO written WITH RECURSIVE {numbers} SELECT repeat('x', 1000) FROM numbers")  # noqa: S608

    try:
        yield Session(
            write, lambda: _one(execute("SELECT count(*) FROM written")), lambda: execute("TRUNCATE TABLE written")
        )
    finally:
        if connection.open:
            connection.close()


@contextmanager
def redis_session(server: Server) -> Iterator[Session]:
    url = server.engine.url(server.endpoint, server.credentials)
    with redis.Redis.from_url(url, single_connection_client=True, retry=None) as client:
        yield Session(lambda: client.rpush("written", *["x"] * 100), lambda: client.llen("written"), client.flushdb)


SESSIONS: Mapping[str, Callable[[Server], Any]] = {
    "postgresql": postgresql,
    "mysql": mysql,
    "redis": redis_session,
}


def _one(row: Any) -> int:
    return int(row[0])


@pytest.fixture(params=VERSIONS, ids=lambda each: "-".join(each))
def server(request: pytest.FixtureRequest, launch: Launch) -> Server:
    server = launch(*request.param)
    server.configure()
    return server


def connect(server: Server) -> Any:
    return SESSIONS[server.engine.TECHNOLOGY](server)


def restrict(server: Server, restriction: Restriction) -> None:
    server.configure(restriction)


class TestReadOnly:
    def test_nothing_new_is_written_but_space_can_be_freed(self, server: Server) -> None:
        with connect(server) as session:
            session.write()
        restrict(server, Restriction.READ_ONLY)
        with connect(server) as session:
            with pytest.raises(REFUSED, match=r"read-only|denied|no permissions"):
                session.write()
            assert session.count() == 100
            session.free()
            assert session.count() == 0

    def test_holds_for_sessions_that_were_open_before(self, server: Server) -> None:
        with connect(server) as session:
            session.write()
            restrict(server, Restriction.READ_ONLY)
            with pytest.raises(REFUSED):
                session.write()
        with connect(server) as session:
            assert session.count() == 100

    def test_is_lifted_without_a_trace(self, server: Server) -> None:
        restrict(server, Restriction.READ_ONLY)
        restrict(server, Restriction.NONE)
        with connect(server) as session:
            session.write()
            assert session.count() == 100


class TestClosed:
    def test_nobody_gets_in_and_open_sessions_end(self, server: Server) -> None:
        with connect(server) as session:
            session.write()
            restrict(server, Restriction.CLOSED)
            with pytest.raises(REFUSED):
                session.count()
        with pytest.raises(REFUSED), connect(server) as session:
            session.count()
        server.engine.ping(server.endpoint, server.credentials)

    def test_opens_again_read_only_and_then_wholly(self, server: Server) -> None:
        with connect(server) as session:
            session.write()
        restrict(server, Restriction.CLOSED)
        restrict(server, Restriction.READ_ONLY)
        with connect(server) as session:
            assert session.count() == 100
            with pytest.raises(REFUSED):
                session.write()
        restrict(server, Restriction.NONE)
        with connect(server) as session:
            session.write()
            assert session.count() == 200


@pytest.mark.parametrize("restriction", list(Restriction))
def test_repeating_is_free(server: Server, restriction: Restriction) -> None:
    restrict(server, restriction)
    restrict(server, restriction)
    restrict(server, Restriction.NONE)
    with connect(server) as session:
        session.write()


class TestStats:
    def test_count_what_the_tenant_has(self, server: Server) -> None:
        with connect(server) as session:
            session.write()
            found = server.engine.stats(server.endpoint, server.credentials)
        assert found["data_size"] > 0
        assert 1 <= found["current_connections"] <= found["max_connections"]
        assert found["max_connections"] == server.node.plan.connections
        assert all(isinstance(value, int | float) for value in found.values())
