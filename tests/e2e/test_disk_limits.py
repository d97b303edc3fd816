"""A disk that fills up: the tenant is stopped in time, sees why, frees space, and goes on; whatever is killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psycopg
import pymysql
import pytest
import redis

from dbyard import wire
from dbyard.errors import Conflict
from dbyard.model import MIB
from dbyard.wire.details import Disk
from tests.e2e import tenants
from tests.e2e.platforms import Platform, kill_processes, wait_for

NAME = "small-disk-db"
DISK_MB = 1000
SMALL = ("-m", "tests.e2e.small_disks", "serve")


@pytest.fixture
def small(fresh: Platform) -> Platform:
    """A platform whose databases have 1,000 MB of disk each."""
    return fresh.start(program=SMALL, DISK_MB=str(DISK_MB))


def disk(home: Platform) -> Disk:
    """What the Database API says of the database's disk."""
    with home.client() as client:
        return client.get_details(NAME).disk


def await_restriction(home: Platform, wanted: str, seconds: float = 90) -> Disk:
    """Until it is decided and applied."""

    def found() -> Disk | None:
        now = disk(home)
        settled = now.restriction == wanted and home.latest(NAME).status == "done"
        return now if settled else None

    return wait_for(found, lambda: f"not {wanted}: {disk(home)}\n{home.log()}", seconds)


def ballast(home: Platform, megabytes: int) -> Path:
    """As much on the database's disk as if its tenant had written it."""
    (data,) = home.home.glob("instances/*/data")
    path = data / "ballast"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.posix_fallocate(fd, 0, megabytes * MIB)
    os.close(fd)
    return path


def write_on(write: Callable[[], object]) -> None:
    """Steadily, until it is refused or has written far too much. Each write is small beside what the last 5 % hold."""
    for _ in range(4000):
        write()
        time.sleep(0.03)


def can_read(technology: str, connection: wire.Connection) -> bool:
    """Some servers still know a tenant that they have closed, and show it nothing."""
    try:
        tenant = tenants.connect(technology, connection.url)
    except tenants.ERRORS:
        return False
    try:
        tenant.read()
    except tenants.ERRORS:
        return False
    finally:
        tenant.close()
    return True


def can_write(technology: str, connection: wire.Connection, number: int) -> bool:
    try:
        tenant = tenants.connect(technology, connection.url)
    except tenants.ERRORS:
        return False
    try:
        tenant.write(number)
    except tenants.ERRORS:
        return False
    finally:
        tenant.close()
    return True


@pytest.mark.parametrize("technology", tenants.ONE_OF_EACH_SERVER)
def test_is_restricted_and_freed_step_by_step(small: Platform, technology: str) -> None:
    connection = small.create(NAME, technology)
    assert can_write(technology, connection, 1)
    used = disk(small).used // MIB

    path = ballast(small, 970 - used)
    found = await_restriction(small, "read_only")
    assert "% of its disk is used" in str(found.reason)
    assert not can_write(technology, connection, 2)
    with small.client() as client:
        assert client.get_connection(NAME).url == connection.url

    ballast(small, 1010 - used)
    await_restriction(small, "closed")
    assert not can_read(technology, connection)
    with small.client() as client, pytest.raises(Conflict, match="is closed"):
        client.get_connection(NAME)

    path.unlink()
    found = await_restriction(small, "none")
    assert found.reason is None
    assert can_write(technology, connection, 3)
    tenant = tenants.connect(technology, connection.url)
    assert tenant.read() == {1, 3}
    tenant.close()
    with small.client() as client:
        kinds = [operation.kind for operation in client.list_operations(NAME)]
    # Three at least: what is wanted may change once more while a slow server is brought to it. Nothing is healed.
    assert kinds[-1] == "create"
    assert kinds[:-1] == ["configure"] * max(len(kinds) - 1, 3)


@pytest.mark.parametrize("technology", tenants.ONE_OF_EACH_SERVER)
def test_holds_when_the_server_dies(small: Platform, technology: str) -> None:
    connection = small.create(NAME, technology)
    assert can_write(technology, connection, 1)
    ballast(small, 970 - disk(small).used // MIB)
    await_restriction(small, "read_only")
    kill_processes([small.server(connection.port)])
    wait_for(lambda: small.latest(NAME).kind == "heal", lambda: "no heal", 10)
    small.await_usable(NAME)
    tenants.await_answer(technology, connection.url, 20)
    assert not can_write(technology, connection, 2)


@pytest.mark.parametrize("point", ["configure apply effect", "configure apply recorded"])
def test_a_platform_killed_in_between_ends_it(fresh: Platform, point: str) -> None:
    fresh.start(program=SMALL, DISK_MB=str(DISK_MB))
    connection = fresh.create(NAME, "redis")
    fresh.kill()
    process = fresh.start(program=SMALL, DISK_MB=str(DISK_MB), KILL_AT=point).process
    assert process is not None
    ballast(fresh, 970)
    assert process.wait(60) == -signal.SIGKILL
    fresh.start(program=SMALL, DISK_MB=str(DISK_MB))
    await_restriction(fresh, "read_only")
    assert not can_write("redis", connection, 1)


class TestWriters:
    """A tenant that writes on and on."""

    def test_of_postgresql_is_stopped_and_frees_space(self, fresh: Platform) -> None:
        small = fresh.start(program=SMALL, DISK_MB=str(2 * DISK_MB))
        connection = small.create(NAME, "postgresql")
        ballast(small, DISK_MB)
        with psycopg.connect(connection.url, autocommit=True) as session:
            session.execute("CREATE UNLOGGED TABLE big (text text)")
            with pytest.raises(psycopg.Error):
                write_on(
                    lambda: session.execute("INSERT INTO big SELECT repeat('x', 1000) FROM generate_series(1, 1999)")
                )
        found = await_restriction(small, "read_only")
        assert found.used < found.limit
        with psycopg.connect(connection.url, autocommit=True) as session:
            assert session.execute("SELECT count(*) FROM big").fetchone() is not None
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                session.execute("TRUNCATE big")
            session.execute("BEGIN READ WRITE; TRUNCATE big; COMMIT")
            await_restriction(small, "none")
            session.execute("INSERT INTO big VALUES ('again')")

    def test_of_mysql_is_stopped_and_frees_space(self, small: Platform) -> None:
        connection = small.create(NAME, "mysql")
        ballast(small, DISK_MB // 2)
        session = tenants.connect_mysql(connection.url)
        rows = ", ".join(["(repeat('x', 1000))"] * 1999)
        with session.cursor() as cursor:
            cursor.execute("CREATE TABLE big (text text)")
            with pytest.raises(pymysql.Error):
                write_on(lambda: cursor.execute(f"INSERT INTO big VALUES {rows}"))  # noqa: S608
        found = await_restriction(small, "read_only")
        assert found.used < DISK_MB * MIB
        session = tenants.connect_mysql(connection.url)
        with session.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM big")
            cursor.execute("DROP TABLE big")
        session.close()
        await_restriction(small, "none")
        assert can_write("mysql", connection, 1)

    def test_of_redis_is_stopped_and_its_file_rewritten(self, small: Platform) -> None:
        connection = small.create(NAME, "redis")
        with redis.Redis.from_url(connection.url) as session:
            for number in range(1500):
                with suppress(redis.ResponseError):  # it may be read-only while the file is rewritten
                    session.set(f"big-{number % 20}", b"x" * MIB)
            await_restriction(small, "none")
            assert disk(small).used < DISK_MB * MIB
            session.set("big", b"small")
