"""Servers that run and whose answers are all errors: they end by themselves, or a probe knows them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pymongo
import pymysql
import pytest
import redis

from dbyard.engines import postgresql
from dbyard.errors import LockedOut, NotReady, Stuck
from tests.e2e.platforms import wait_for
from tests.engines.test_configure import url
from tests.engines.test_damage import garble
from tests.engines.test_held import mysql
from tests.strangers import where_all_may_pass

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server

SECONDS = 30.0
VERSIONS = {"postgresql": "17", "mysql": "9.7", "mariadb": "10.11", "redis": "7.0", "mongodb": "0.7", "influxdb": "1.6"}


@pytest.fixture
def start(launch: Launch) -> Callable[[str], Server]:
    def start(technology: str) -> Server:
        server = launch(technology, VERSIONS[technology])
        server.configure()
        return server

    return start


def limit_files(server: Server, size: str) -> None:
    """No file of the server may grow beyond so many bytes: to a program that is an error of the disk."""
    assert server.process is not None
    command = ["prlimit", "--pid", str(server.process.pid), f"--fsize={size}:unlimited"]
    if os.geteuid() == 0:  # even root must be the same user
        command = ["setpriv", "--reuid", str(server.uid), "--regid", str(server.uid), "--clear-groups", *command]
    subprocess.run(where_all_may_pass(command, server.layout.run), check=True)


@contextlib.contextmanager
def small_disk(directory: Path, size: str) -> Iterator[Path]:
    """A file system of its own for a directory, and a file in it that takes all of its space."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", str(directory)], check=True)
    try:
        yield directory / "ballast"
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=True)


def fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def ping(server: Server) -> None:
    server.engine.ping(server.endpoint, server.credentials)


class TestMongodb:
    def test_ends_itself_when_its_disk_fails_and_keeps_what_it_acknowledged(self, start: Callable[..., Server]) -> None:
        server = start("mongodb")
        acknowledged: list[int] = []
        with pymongo.MongoClient[dict[str, Any]](url(server), retryWrites=False, socketTimeoutMS=10_000) as tenant:
            items = tenant.get_default_database().items
            items.insert_one({"_id": -1})
            limit_files(server, "1048576")
            with contextlib.suppress(pymongo.errors.PyMongoError):
                for number in range(1000):
                    items.insert_one({"_id": number, "x": os.urandom(100_000)})
                    acknowledged.append(number)
            assert server.process is not None
            assert server.process.wait(SECONDS) == 14
            assert "WT_PANIC" in server.log()
            server.start()
            kept = {each["_id"] for each in items.find({}, {"_id": 1})}
        assert set(acknowledged) | {-1} <= kept


class TestPostgresql:
    def test_answers_with_errors_alone(self, start: Callable[..., Server]) -> None:
        server = start("postgresql")
        hidden = server.layout.data / "global" / "pg_filenode.map"
        hidden.rename(hidden.with_name("hidden"))
        with pytest.raises(Stuck, match="pg_filenode"):
            ping(server)
        shutil.copy(hidden.with_name("hidden"), hidden)
        os.chown(hidden, server.uid, server.uid)
        garble(hidden, 100, at=100)
        with pytest.raises(Stuck, match="incorrect checksum"):
            ping(server)
        assert "pg_filenode.map" in str(server.engine.find_damage(server.log().splitlines()))
        hidden.with_name("hidden").rename(hidden)
        ping(server)

    def test_a_damaged_page_is_told_by_its_database(self, start: Callable[..., Server]) -> None:
        server = start("postgresql")
        with closing(psycopg.connect(url(server), autocommit=True)) as tenant:
            tenant.execute("CREATE TABLE items AS SELECT generate_series(1, 100) AS id")
            (path,) = tenant.execute("SELECT pg_relation_filepath('items')").fetchone() or ("",)
        assert postgresql.inspect_data(server.endpoint, server.credentials) is None
        server.stop()
        garble(server.layout.data / path, 100, at=4000)
        server.start()
        with closing(psycopg.connect(url(server), autocommit=True)) as tenant:
            with pytest.raises(psycopg.errors.DataCorrupted):
                tenant.execute("SELECT * FROM items")
            wait_for(lambda: postgresql.inspect_data(server.endpoint, server.credentials), server.log, SECONDS)
        told = postgresql.inspect_data(server.endpoint, server.credentials)
        assert told == f"pages of {server.credentials.database} have wrong checksums (met 1 times)"

    def test_a_full_one_is_not_broken(self, start: Callable[..., Server]) -> None:
        server = start("postgresql")
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(psycopg.OperationalError):
                while True:
                    stack.enter_context(closing(psycopg.connect(url(server))))
            ping(server)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
class TestRedis:
    def test_a_file_that_cannot_be_written_is_told_and_heals_by_itself(self, launch: Launch) -> None:
        server = launch("redis", VERSIONS["redis"], start=False)
        with small_disk(server.layout.data, "1m") as ballast:
            server.start().configure()
            with redis.Redis.from_url(url(server)) as tenant:
                tenant.set("kept", 1)
                fill(ballast)

                def is_refused() -> bool:
                    try:
                        tenant.set("more", "x" * 10_000)
                    except redis.ResponseError as error:
                        return "MISCONF" in str(error)
                    return False

                wait_for(is_refused, server.log, SECONDS)
                with pytest.raises(LockedOut, match="append-only file"):
                    server.engine.check_login(server.endpoint, server.credentials)
                with pytest.raises(NotReady) as told:  # a start would not help
                    ping(server)
                assert not isinstance(told.value, Stuck)
                ballast.unlink()
                wait_for(lambda: not is_refused(), server.log, SECONDS)
                server.engine.check_login(server.endpoint, server.credentials)
                assert tenant.get("kept") == b"1"
            server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
class TestInfluxdb:
    def test_a_disk_that_takes_nothing_is_told_and_heals_by_itself(self, launch: Launch) -> None:
        server = launch("influxdb", VERSIONS["influxdb"], start=False)
        meta = server.layout.data / "meta"
        users = (meta / "meta.db").read_bytes()
        with small_disk(meta, "1m") as ballast:
            (meta / "meta.db").write_bytes(users)
            (meta / "meta.db").chmod(0o666)
            server.start().configure()
            server.engine.check_login(server.endpoint, server.credentials)
            fill(ballast)
            with pytest.raises(LockedOut, match="every write is refused"):
                server.engine.check_login(server.endpoint, server.credentials)
            ping(server)  # a start would not help
            ballast.unlink()
            server.engine.check_login(server.endpoint, server.credentials)
            server.stop()


@pytest.mark.parametrize("technology", ["mysql", "mariadb"])
class TestMysql:
    def test_ends_itself_when_its_disk_fails_and_keeps_what_it_acknowledged(
        self, technology: str, start: Callable[..., Server]
    ) -> None:
        server = start(technology)
        acknowledged: list[int] = []
        with closing(mysql(server)) as tenant, tenant.cursor() as cursor:
            cursor.execute("CREATE TABLE items (id INT PRIMARY KEY, x LONGBLOB)")
            limit_files(server, "1048576")
            with contextlib.suppress(pymysql.Error):
                for number in range(1000):
                    cursor.execute("INSERT INTO items VALUES (%s, repeat('x', 100000))", (number,))
                    acknowledged.append(number)
        assert server.process is not None
        server.process.wait(SECONDS)
        server.start()
        with closing(mysql(server)) as tenant, tenant.cursor() as cursor:
            cursor.execute("SELECT id FROM items")
            assert set(acknowledged) <= {row[0] for row in cursor.fetchall()}
