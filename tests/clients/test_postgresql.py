"""The URL of a PostgreSQL as drivers take it that do not stand on libpq, and the forms that others want."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import asyncpg  # type: ignore[import-untyped]
import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from dbyard import wire
from tests.clients import scalingojs
from tests.e2e.platforms import Platform, require

QUESTION = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@pytest.fixture
def connection(served: Platform) -> wire.Connection:
    require("postgresql", "17")
    return served.create("from-drivers", "postgresql")


class TestUrl:
    def test_libpq_takes_tls(self, connection: wire.Connection) -> None:
        with psycopg.connect(connection.url) as session:
            assert session.execute(QUESTION).fetchone() == (True,)

    def test_node_postgres(self, connection: wire.Connection) -> None:
        scalingojs.install()
        assert scalingojs.run_json("query.mjs", {"url": connection.url, "query": "SELECT 1 AS one"}) == [{"one": 1}]

    def test_asyncpg(self, connection: wire.Connection) -> None:
        async def ask() -> object:
            session = await asyncpg.connect(connection.url)
            try:
                return await session.fetchval(QUESTION)
            finally:
                await session.close()

        assert asyncio.run(ask()) is True

    def test_pg8000(self, connection: wire.Connection) -> None:
        engine = create_engine(connection.url.replace("postgresql:", "postgresql+pg8000:"))
        with engine.connect() as session:
            assert session.execute(text("SELECT 1")).scalar() == 1
        engine.dispose()


class TestDjango:
    def test_makes_and_drops_its_test_database(self, connection: wire.Connection) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "tests.clients.django_site", connection.url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, f"test_{connection.database} auth, contenttypes\n"), done.stderr
        with psycopg.connect(connection.url) as session:
            found = session.execute("SELECT count(*) FROM pg_database WHERE datname LIKE 'test%'").fetchone()
        assert found == (0,)


class TestForms:
    def test_sqlalchemy(self, connection: wire.Connection) -> None:
        engine = create_engine(connection.forms["sqlalchemy"])
        with engine.connect() as session:
            assert session.execute(text("SELECT 1")).scalar() == 1
        engine.dispose()

    def test_sqlalchemy_asyncpg(self, connection: wire.Connection) -> None:
        async def ask() -> object:
            engine = create_async_engine(connection.forms["sqlalchemy-asyncpg"])
            async with engine.connect() as session:
                found = (await session.execute(text("SELECT 1"))).scalar()
            await engine.dispose()
            return found

        assert asyncio.run(ask()) == 1

    def test_jdbc(self, connection: wire.Connection) -> None:
        place = f"{connection.host}:{connection.port}/{connection.database}"
        login = f"user={connection.user}&password={connection.password}"
        assert connection.forms["jdbc"] == f"jdbc:postgresql://{place}?{login}"
