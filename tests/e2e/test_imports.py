"""Dumps of elsewhere that become the data of a real database, or leave it as it was."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import bson
import psycopg
import pymysql
import pytest
import redis
from pymongo import MongoClient

from dbyard import installations
from dbyard.errors import Conflict, Unreachable
from dbyard.wire.imports import Import
from tests.e2e.platforms import Platform, installed, platform, read_json, wait_for

NAME = "imported-db"
KILLER = ("-m", "tests.e2e.killer", "serve")
SHOP = b"""--
-- PostgreSQL database dump
--
-- Dumped from database version 16.4
-- Dumped by pg_dump version 16.4
SET standard_conforming_strings = on;
SET some_newer_timeout = 0;
CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA public;
CREATE TABLE public.bill (id integer PRIMARY KEY, name text);
ALTER TABLE public.bill OWNER TO shopkeeper;
COPY public.bill (id, name) FROM stdin;
1\tone
2\tALTER TABLE public.bill OWNER TO nobody;
\\.
GRANT SELECT ON TABLE public.bill TO reader;
--
-- PostgreSQL database dump complete
--
"""
SAKILA = b"""-- MySQL dump 10.13  Distrib 5.7.44, for Linux (x86_64)
-- Host: localhost    Database: shop
/*!40101 SET NAMES utf8mb4 */;
SET @@SESSION.SQL_LOG_BIN= 0;
SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'abc:1-5';
CREATE DATABASE `shop`;
USE `shop`;
CREATE TABLE `bill` (`id` int PRIMARY KEY, `name` varchar(80) COLLATE utf8mb4_0900_ai_ci) COLLATE=utf8mb4_0900_ai_ci;
INSERT INTO `bill` VALUES (1,'one'),(2,'DEFINER=`root`@`localhost`; \\'');
DELIMITER ;;
CREATE DEFINER=`root`@`localhost` PROCEDURE `counted`() BEGIN SELECT count(*) FROM shop.bill; END ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`%`*/ /*!50003 TRIGGER shout BEFORE INSERT ON bill FOR EACH ROW
  SET NEW.name = concat(NEW.name, '!') */;;
DELIMITER ;
/*!50001 CREATE ALGORITHM=UNDEFINED */
/*!50013 DEFINER=`root`@`localhost` SQL SECURITY DEFINER */
/*!50001 VIEW `seen` AS select `shop`.`bill`.`id` AS `id` from `shop`.`bill` */;
GRANT SELECT ON shop.* TO reader;
-- Dump completed on 2026-01-01
"""

KEYS = b"REDIS0009\xfa\x09redis-ver\x055.0.1\xfa\x08used-mem\x041000\xfe\x00\x00\x01a\x03one\xff" + bytes(8)


@pytest.fixture
def fresh() -> Iterator[Platform]:
    with platform() as made:
        yield made


def ask(home: Platform, dump: bytes, *, replace: bool = False, check: bool = False) -> Import:
    """The import once it has ended."""
    with home.client() as client:
        return await_end(home, client.create_import(NAME, iter([dump]), replace=replace, check=check).id)


def await_end(home: Platform, import_id: str, seconds: float = 120) -> Import:
    def ended() -> Import | None:
        with home.client() as client:
            found = client.get_import(NAME, import_id)
        return found if found.finished_at else None

    def told() -> str:
        with home.client() as client:
            return f"{client.list_operations(NAME)}\n{home.log()}"

    return wait_for(ended, told, seconds)


def bills(url: str) -> list[tuple[object, ...]] | None:
    """None where there is no such table."""
    with psycopg.connect(url) as session:
        if session.execute("SELECT to_regclass('public.bill')").fetchone() == (None,):
            return None
        return session.execute("SELECT id, name FROM public.bill ORDER BY id").fetchall()


def open_mysql(url: str) -> pymysql.Connection[pymysql.cursors.Cursor]:
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname,
        port=parts.port or 0,
        user=parts.username,
        password=parts.password or "",
        database=parts.path[1:],
        autocommit=True,
    )


def query(url: str, statement: str) -> tuple[tuple[object, ...], ...]:
    with open_mysql(url) as connection, connection.cursor() as session:
        session.execute(statement)
        return tuple(session.fetchall())


def keys(url: str) -> dict[object, object]:
    with closing(redis.Redis.from_url(url)) as client:
        return {key: client.get(key) for key in client.scan_iter()}


def is_clean(home: Platform, instances: int = 1) -> bool:
    """No scratch server, no job, no upload."""
    left = [path for path in (home.home / "archive" / "uploads").rglob("*") if path.is_file()]
    found = list((home.home / "instances").iterdir())
    return len(found) == instances and not list((home.home / "jobs").iterdir()) and not left


def dump_with(url: str, *options: str) -> bytes:
    """By the pg_dump of a server that the sandbox need not surround."""
    found = installations.find("postgresql", installed("postgresql"))
    assert found is not None
    environment = {**os.environ}
    argv = [str(found.bin / "pg_dump")]
    if found.whole:
        loader = next(found.root.glob("usr/lib/*/ld-linux-*.so.*"))
        argv = [str(loader), "--library-path", str(loader.parent), *argv]
    return subprocess.run([*argv, *options, url], capture_output=True, check=True, env=environment).stdout


class TestPostgresql:
    def test_becomes_the_data_and_can_be_undone(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, "postgresql")
        made = ask(fresh, gzip.compress(SHOP))
        assert (made.status, made.error) == ("done", None)
        assert made.report is not None
        assert (made.report.form, made.report.source) == ("SQL, packed by gzip", "PostgreSQL 16.4")
        assert (made.report.owners, made.report.extensions) == (["shopkeeper"], {"hstore": True})
        assert made.report.left_out == {"SET some_newer_timeout": 1, "ALTER … OWNER TO": 1, "GRANT": 1}
        assert list(made.counts.values()) == [2]
        assert fresh.await_usable(NAME) == connection
        wanted = [(1, "one"), (2, "ALTER TABLE public.bill OWNER TO nobody;")]
        assert bills(connection.url) == wanted
        with fresh.client() as client:
            with pytest.raises(Conflict, match=r"is not empty: it has .*public.bill \(2\)"):
                client.create_import(NAME, iter([SHOP]))
            place = client.list_imports(NAME)
            assert ([each.id for each in place.database_imports], list((place.content or {}).values())) == (
                [made.id],
                [2],
            )
            other = SHOP.replace(b"1\tone", b"7\tseven")
            assert ask(fresh, other, replace=True).status == "done"
            fresh.await_usable(NAME)
            assert bills(connection.url) == [wanted[1], (7, "seven")]
            client.undo_restore(NAME)
        assert fresh.await_usable(NAME) == connection
        assert bills(connection.url) == wanted

    @pytest.mark.parametrize("options", [("-Ft",), ("--inserts", "--create")])
    def test_of_its_own_tools(self, fresh: Platform, options: tuple[str, ...]) -> None:
        connection = fresh.start().create(NAME, "postgresql")
        with psycopg.connect(connection.url) as session:
            session.execute("CREATE EXTENSION hstore")
            session.execute(
                "CREATE TABLE public.bill AS SELECT i AS id, 'it''s \\ ' || i AS name FROM generate_series(1, 500) i"
            )
            session.execute(
                "CREATE FUNCTION f() RETURNS bigint BEGIN ATOMIC SELECT CASE WHEN true THEN count(*) END FROM bill; END"
            )
            session.execute("SELECT lo_from_bytea(4711, 'a picture')")
        wanted = bills(connection.url)
        dump = dump_with(connection.url, *options)
        with psycopg.connect(connection.url) as session:
            session.execute("DROP TABLE bill CASCADE")
            session.execute("SELECT lo_unlink(4711)")
        made = ask(fresh, dump)
        assert (made.status, made.error) == ("done", None)
        fresh.await_usable(NAME)
        assert bills(connection.url) == wanted
        with psycopg.connect(connection.url) as session:
            assert session.execute("SELECT f(), lo_get(4711)").fetchone() == (500, b"a picture")

    def test_checks_without_a_change(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, "postgresql")
        with psycopg.connect(connection.url) as session:
            session.execute("CREATE TABLE public.bill AS SELECT 5 AS id, 'mine' AS name")
        made = ask(fresh, SHOP + b"CREATE EXTENSION dblink;\nSET default_tablespace = fast;\n", check=True)
        assert made.status == "done"
        assert made.report is not None
        assert made.report.extensions == {"hstore": True, "dblink": False}
        assert len(made.report.refused) == 2
        wait_for(lambda: is_clean(fresh), fresh.log, 30)
        assert bills(connection.url) == [(5, "mine")]

    def test_that_is_no_good_leaves_all_as_it_was(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, "postgresql")
        with psycopg.connect(connection.url) as session:
            session.execute("CREATE TABLE public.bill AS SELECT 5 AS id, 'mine' AS name")
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w") as file:
            link = tarfile.TarInfo("toc.dat")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            file.addfile(link)
            file.addfile(tarfile.TarInfo("../../../etc/evil"))
        for dump, said in (
            (SHOP.replace(b"2\tALTER", b"two\tALTER"), r"the rows after line 11: .*invalid input syntax for type"),
            (b"\\! touch /tmp/x\n", r"psql's command \\! touch /tmp/x is not obeyed"),
            (b"DO $$ BEGIN EXECUTE 'COPY (SELECT 1) TO PROGRAM ''id'''; END $$;", "permission denied to COPY"),
            (tar.getvalue(), "pg_restore cannot read it"),
        ):
            made = ask(fresh, dump, replace=True)
            assert made.status == "error"
            with pytest.raises(AssertionError, match=said):
                raise AssertionError(made.error)
            assert bills(connection.url) == [(5, "mine")]
        wait_for(lambda: is_clean(fresh), fresh.log, 30)


class TestMysql:
    @pytest.mark.parametrize("technology", ["mysql", "mariadb"])
    def test_becomes_the_data(self, fresh: Platform, technology: str) -> None:
        connection = fresh.start().create(NAME, technology)
        made = ask(fresh, SAKILA)
        assert (made.status, made.error) == ("done", None)
        assert made.report is not None
        assert (made.report.databases, made.report.owners) == (["shop"], ["root@localhost", "root@%"])
        assert fresh.await_usable(NAME) == connection
        assert query(connection.url, "SELECT * FROM bill") == ((1, "one"), (2, "DEFINER=`root`@`localhost`; '"))
        assert query(connection.url, "CALL counted()") == ((2,),)
        assert query(connection.url, "SELECT * FROM seen") == ((1,), (2,))
        query(connection.url, "INSERT INTO bill VALUES (3, 'three')")
        assert query(connection.url, "SELECT name FROM bill WHERE id = 3") == (("three!",),)
        hostile = (
            (SAKILA.replace(b"GRANT", b"SELECT no_such_column;\nGRANT"), "line 18: error 1054: Unknown column"),
            (b"SELECT load_file('/etc/passwd') INTO OUTFILE '/tmp/x';", "error 1"),
        )
        for dump, said in hostile if technology == "mariadb" else ():  # a server of MySQL takes seconds
            made = ask(fresh, dump, replace=True)
            assert said in (made.error or ""), made
        assert len(query(connection.url, "SELECT * FROM bill")) == 3
        wait_for(lambda: is_clean(fresh, 2), fresh.log, 30)


class TestRedis:
    def test_becomes_the_data(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, "redis")
        made = ask(fresh, gzip.compress(KEYS))
        assert (made.status, made.error) == ("done", None)
        assert made.report is not None
        assert (made.report.form, made.report.source) == ("RDB 9, packed by gzip", "Redis 5.0.1")
        assert made.counts == {"db0": 1}
        assert fresh.await_usable(NAME) == connection
        assert keys(connection.url) == {b"a": b"one"}
        for dump, said in (
            (KEYS.replace(b"REDIS0009", b"REDIS0099"), "Can't handle RDB format version 99"),
            (KEYS.replace(b"\x041000", b"\x09900000000"), "took 858 MB of memory where it comes from"),
        ):
            assert said in (ask(fresh, dump, replace=True).error or "")
        assert keys(connection.url) == {b"a": b"one"}
        wait_for(lambda: is_clean(fresh, 2), fresh.log, 30)


class TestMongodb:
    def test_becomes_the_data(self, fresh: Platform) -> None:
        connection = fresh.start().create(NAME, "mongodb")
        made = ask(fresh, gzip.compress(make_archive()))
        assert (made.status, made.error) == ("done", None)
        assert fresh.await_usable(NAME) == connection
        with MongoClient[dict[str, object]](connection.url) as client:
            database = client[connection.database]
            assert list(database.bill.find()) == [{"_id": number, "n": number} for number in range(1500)]
            assert database.bill.index_information()["n_1"]["unique"] is True
            assert database.seen.count_documents({}) == 1500
        failed = ask(fresh, make_archive(more=bson.encode({"n": 5})), replace=True)
        assert "the collection bill" in (failed.error or "")


def make_archive(more: bytes = b"") -> bytes:
    """As mongodump makes it, with a view and an index."""
    end = b"\xff" * 4
    index = {"v": 2, "key": {"n": 1}, "name": "n_1", "unique": True}
    metadata = {
        "bill": {"options": {}, "indexes": [{"v": 2, "key": {"_id": 1}, "name": "_id_"}, index]},
        "seen": {"options": {"viewOn": "bill", "pipeline": []}, "indexes": []},
    }
    found = b"\x6d\xe2\x99\x81" + bson.encode({"concurrent_collections": 4, "version": "0.1"})
    for name, told in metadata.items():
        found += bson.encode({"db": "shop", "collection": name, "metadata": json.dumps(told), "size": 0})
    found += end + bson.encode({"db": "shop", "collection": "bill", "EOF": False, "CRC": 0})
    found += b"".join(bson.encode({"_id": number, "n": number}) for number in range(1500)) + more + end
    return found + bson.encode({"db": "shop", "collection": "bill", "EOF": True, "CRC": 0}) + end


class TestUpload:
    def test_that_breaks_off_leaves_nothing(self, fresh: Platform) -> None:
        fresh.start().create(NAME, "postgresql")
        parts = urlsplit(fresh.url)
        token = (fresh.home / "admin-token").read_text().strip()
        head = f"POST /v1/databases/{NAME}/imports HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        uploads = fresh.home / "archive" / "uploads"
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as client:
            client.sendall(f"{head}Content-Length: 50000000\r\n\r\n".encode() + bytes(3_000_000))
            wait_for(lambda: [path for path in uploads.rglob("*") if path.is_file()], fresh.log, 30)
            with fresh.client() as asking, pytest.raises(Conflict, match="is being uploaded"):
                asking.create_import(NAME, iter([SHOP]))
        wait_for(lambda: is_clean(fresh), fresh.log, 30)
        with socket.create_connection((parts.hostname or "", parts.port or 0)) as client:
            client.sendall(f"{head}Content-Length: 50000000\r\n\r\n".encode() + bytes(3_000_000))
            wait_for(lambda: [path for path in uploads.rglob("*") if path.is_file()], fresh.log, 30)
            fresh.kill()
        fresh.start()
        wait_for(lambda: is_clean(fresh), fresh.log, 30)

    def test_of_a_database_that_is_deleted_meanwhile(self, fresh: Platform) -> None:
        fresh.start().create(NAME, "postgresql")
        with fresh.client() as client:
            client.create_import(NAME, iter([SHOP]))
            with pytest.raises(Conflict, match="Another restore or import"):
                client.create_import(NAME, iter([SHOP]))
        fresh.delete(NAME)
        assert is_clean(fresh, 0)


POINTS = [
    ("redis", "begin recorded"),
    ("redis", "inspect effect"),
    ("redis", "load effect"),
    ("redis", "start effect"),
    ("redis", "end effect"),
    ("redis", "switch recorded"),
    ("postgresql", "load effect"),
]
"""Where a dump becomes files, and where a server that runs takes it."""


class TestKills:
    @pytest.mark.parametrize(("technology", "point"), POINTS)
    def test_of_the_platform_at_any_step(self, fresh: Platform, technology: str, point: str) -> None:
        connection = fresh.start(program=KILLER, KILL_AT=f"import {point}").create(NAME, technology)
        with fresh.client() as client, suppress(Unreachable):  # it may die before it answers
            client.create_import(NAME, iter([SHOP if technology == "postgresql" else KEYS]))
        assert fresh.process is not None
        assert fresh.process.wait(60) == -9
        with fresh.start().client() as client:
            (asked,) = client.list_imports(NAME).database_imports
        made = await_end(fresh, asked.id)
        assert (made.status, made.error) == ("done", None)
        assert fresh.await_usable(NAME) == connection
        if technology == "postgresql":
            assert len(bills(connection.url) or []) == 2
        else:
            assert keys(connection.url) == {b"a": b"one"}
        wait_for(lambda: is_clean(fresh, 2), fresh.log, 30)


class TestLosses:
    @pytest.mark.parametrize("lost", ["server", "job"])
    def test_during_the_load_leave_all_as_it_was(self, fresh: Platform, lost: str) -> None:
        connection = fresh.start().create(NAME, "postgresql")
        (own,) = (home.name for home in (fresh.home / "instances").iterdir())
        slow = SHOP.replace(b"GRANT", b"SELECT pg_sleep(60);\nGRANT", 1)
        with fresh.client() as client:
            asked = client.create_import(NAME, iter([slow]))
            wait_for(lambda: client.get_import(NAME, asked.id).step == "load", fresh.log, 60)
        (scratch,) = (path for path in (fresh.home / "instances").iterdir() if path.name != own)
        url = f"{connection.url.rpartition('@')[0]}@{address_of(scratch)}/{connection.database}"
        wait_for(lambda: is_asleep(url), fresh.log, 30)
        argument = str(scratch / "data") if lost == "server" else "dbyard.engines.postgresql.load_dump"
        for process in [each for each in fresh.servers() if argument in each.argv]:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        made = await_end(fresh, asked.id)
        assert "the load was broken off, and has to be asked for once more" in (made.error or "")
        assert bills(connection.url) is None
        wait_for(lambda: is_clean(fresh), fresh.log, 30)


def address_of(instance: Path) -> str:
    placement = read_json(instance / "placement.json")
    return f"{placement['host']}:{placement['port']}"


def is_asleep(url: str) -> bool:
    with psycopg.connect(url) as session:
        query = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
        return session.execute(query).fetchone() == (1,)


class TestUri:
    @pytest.mark.parametrize("technology", ["postgresql", "mariadb"])
    def test_is_dumped_by_the_command_and_loaded(self, fresh: Platform, technology: str) -> None:
        there = fresh.start().create("other-db", technology)
        here = fresh.create(NAME, technology)
        if technology == "postgresql":
            with psycopg.connect(there.url) as session:
                session.execute("CREATE TABLE public.bill AS SELECT 5 AS id, 'there' AS name")
        else:
            query(there.url, "CREATE TABLE bill AS SELECT 5 AS id, 'there' AS name")
            query(there.url, "CREATE VIEW seen AS SELECT name FROM bill")
        said = dbyard(fresh, "import", NAME, "--from", there.url)
        assert said.returncode == 0, said.stderr
        assert ".bill: 1" in said.stdout
        fresh.await_usable(NAME)
        if technology == "postgresql":
            assert bills(here.url) == [(5, "there")]
        else:
            assert query(here.url, "SELECT * FROM seen") == (("there",),)
        failed = dbyard(fresh, "import", NAME, "--replace", "--yes", "--from", f"{there.url}_none")
        assert failed.returncode == 1
        assert "failed, and nothing was changed" in failed.stderr
        assert there.password not in failed.stderr


def dbyard(home: Platform, *arguments: str) -> subprocess.CompletedProcess[str]:
    token = (home.home / "admin-token").read_text().strip()
    environment = {**os.environ, "DBYARD_URL": home.url, "DBYARD_TOKEN": token}
    argv = [sys.executable, "-m", "dbyard", *arguments]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=120)
