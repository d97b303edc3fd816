"""Actions on real servers: what they list is there, and what they end or make is gone or there for the tenant."""

from __future__ import annotations

import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

import psycopg
import pymysql
import pytest

from dbyard.errors import NotReady, TemporaryError
from dbyard.model import Applied
from tests import tenants
from tests.engines.conftest import Launch, Server

SECONDS = 20.0


def run(server: Server, action: str, /, **values: object) -> Any:
    return server.engine.ACTIONS[action].run(server.endpoint, server.credentials, values)  # type: ignore[attr-defined]


def made(launch: Launch, technology: str, version: str) -> Server:
    server = launch(technology, version)
    assert server.configure() == Applied()
    return server


def url(server: Server) -> str:
    return server.engine.url(server.endpoint, server.credentials)


class TestPostgresql:
    @pytest.fixture(params=["15", "17"])
    def server(self, request: pytest.FixtureRequest, launch: Launch) -> Server:
        return made(launch, "postgresql", request.param)

    def test_extensions(self, server: Server) -> None:
        assert [each["name"] for each in run(server, "list-extensions")] == ["plpgsql"]
        with psycopg.connect(url(server), autocommit=True) as tenant:
            tenant.execute("CREATE EXTENSION hstore")
        found = {each["name"]: each["version"] for each in run(server, "list-extensions")}
        assert set(found) == {"plpgsql", "hstore"}
        assert found["hstore"]

    @pytest.mark.parametrize(("action", "ends"), [("pg-cancel-query", False), ("pg-terminate-query", True)])
    def test_queries_are_listed_and_ended(self, server: Server, action: str, ends: bool) -> None:
        errors: list[psycopg.Error] = []

        def sleep() -> None:
            with closing(psycopg.connect(url(server), autocommit=True)) as tenant:
                try:
                    tenant.execute("SELECT pg_sleep(60)")
                except psycopg.Error as error:
                    errors.append(error)

        sleeper = threading.Thread(target=sleep)
        sleeper.start()
        query = await_query(server, "SELECT pg_sleep(60)")
        assert (query["state"], query["username"]) == ("active", server.credentials.user)
        assert query["query_duration"] > 0
        assert query["query_start"].startswith("20")
        run(server, action, pid=query["pid"])
        sleeper.join(SECONDS)
        assert isinstance(errors[0], psycopg.errors.QueryCanceled) is not ends

    def test_no_query_of_the_platforms_is_listed_or_ended(self, server: Server) -> None:
        assert all(each["username"] != "dbyard" for each in run(server, "pg-list-queries"))
        with psycopg.connect(url(server)) as tenant:
            row = tenant.execute("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'").fetchone()
        assert row
        for pid in (row[0], 2**31 - 1, 0, -1):
            with pytest.raises(TemporaryError, match="no query of the process"):
                run(server, "pg-terminate-query", pid=pid)

    def test_what_queries_have_cost(self, server: Server) -> None:
        with pytest.raises(TemporaryError, match="not enabled"):
            run(server, "pg-stat-statements-list")
        for _ in range(2):
            run(server, "pg-stat-statements-enable")
        with psycopg.connect(url(server), autocommit=True) as tenant:
            for _ in range(3):
                tenant.execute("SELECT 'costly'")
        found = {each["query"]: each for each in run(server, "pg-stat-statements-list")}
        cost = found["SELECT $1"]
        assert (cost["calls"], cost["rows"]) == (3, 3)
        assert cost["total_time"] >= cost["max_time"] >= cost["mean_time"] >= cost["min_time"] >= 0
        run(server, "pg-stat-statements-reset")
        assert "SELECT $1" not in {each["query"] for each in run(server, "pg-stat-statements-list")}

    def test_a_function_of_the_tenants_own_runs_as_the_tenant(self, server: Server) -> None:
        """One that is called more readily than the extension's."""
        run(server, "pg-stat-statements-enable")
        with psycopg.connect(url(server), autocommit=True) as tenant:
            tenant.execute("CREATE TABLE ran (who text)")
            tenant.execute(
                "CREATE FUNCTION pg_stat_statements_reset() RETURNS void LANGUAGE sql"
                " AS 'INSERT INTO public.ran VALUES (current_user)'"
            )
        with suppress(TemporaryError):  # it may not be clear which of the two is meant
            run(server, "pg-stat-statements-reset")
        with psycopg.connect(url(server), autocommit=True) as tenant:
            assert {row[0] for row in tenant.execute("SELECT who FROM ran")} <= {server.credentials.user}


def await_query(server: Server, text: str) -> Any:
    deadline = time.monotonic() + SECONDS
    while True:
        for each in run(server, "pg-list-queries"):
            if each["query"] == text:
                return each
        assert time.monotonic() < deadline
        time.sleep(0.02)


class TestMysql:
    @pytest.fixture(params=[("mysql", "9.7"), ("mariadb", "10.11")], ids="-".join)
    def server(self, request: pytest.FixtureRequest, launch: Launch) -> Server:
        return made(launch, *request.param)

    def ask(self, server: Server, *statements: str, database: str | None = None) -> Any:
        connection = pymysql.connect(
            host=server.layout.host,
            port=server.layout.port,
            user=server.credentials.user,
            password=server.credentials.password,
            database=database,
        )
        with connection, connection.cursor() as session:
            for statement in statements:
                session.execute(statement)
            return session.fetchall()

    def test_databases(self, server: Server) -> None:
        own = {"name": server.credentials.database, "protected": True}
        assert run(server, "list-databases") == [own]
        assert run(server, "create-database", database_name="an-other") == {"name": "an-other", "protected": False}
        assert run(server, "list-databases") == [{"name": "an-other", "protected": False}, own]
        self.ask(server, "CREATE TABLE made (a int)", database="an-other")
        run(server, "reset-database", database_name="an-other")
        assert self.ask(server, "SHOW TABLES", database="an-other") == ()
        run(server, "delete-database", database_name="an-other")
        assert run(server, "list-databases") == [own]

    def test_its_own_is_emptied_with_its_character_set(self, server: Server) -> None:
        own = server.credentials.database
        self.ask(server, f"ALTER DATABASE `{own}` CHARACTER SET latin1", "CREATE TABLE made (a int)", database=own)
        run(server, "reset-database", database_name=own)
        assert self.ask(server, "SHOW TABLES", database=own) == ()
        assert self.ask(server, "SELECT @@character_set_database", database=own) == (("latin1",),)
        with pytest.raises(TemporaryError, match="is protected"):
            run(server, "delete-database", database_name=own)

    @pytest.mark.parametrize("name", ["mysql", "MYSQL", "sys", "information_schema", "nothing"])
    def test_those_of_the_server_are_none(self, server: Server, name: str) -> None:
        for action in ("delete-database", "reset-database"):
            with pytest.raises(TemporaryError, match="there is no database"):
                run(server, action, database_name=name)

    def test_what_the_server_refuses_is_told(self, server: Server) -> None:
        with pytest.raises(TemporaryError, match="exists"):
            run(server, "create-database", database_name=server.credentials.database)
        server.credentials = replace(server.credentials, password="another-0123456789")
        with pytest.raises(NotReady):
            run(server, "list-databases")


class TestMongodb:
    def test_it_is_emptied_and_can_be_used(self, launch: Launch) -> None:
        server = made(launch, "mongodb", "0.7")
        with closing(tenants.load("mongodb").Tenant(url(server))) as tenant:
            tenant.write(1)
            own = {"name": server.credentials.database, "protected": True}
            assert run(server, "list-databases") == [own]
            with pytest.raises(TemporaryError, match="there is no database"):
                run(server, "reset-database", database_name="admin")
            run(server, "reset-database", database_name=server.credentials.database)
            assert tenant.read() == set()
            tenant.write(2)
            assert tenant.read() == {2}


class TestInfluxdb:
    def test_policies(self, launch: Launch) -> None:
        server = made(launch, "influxdb", "1.6")
        own = {"name": "autogen", "duration": "0s", "default": True}
        assert run(server, "list-retention-policies") == [own]
        run(server, "add-retention-policy", name="a.week", duration="7d", default=False)
        week = {"name": "a.week", "duration": "168h0m0s", "default": False}
        assert run(server, "list-retention-policies") == [own, week]
        with pytest.raises(TemporaryError, match="refuses"):
            run(server, "add-retention-policy", name="a.week", duration="8d", default=False)
        with pytest.raises(TemporaryError, match="protected"):
            run(server, "del-retention-policy", name="autogen")
        run(server, "del-retention-policy", name="a.week")
        assert run(server, "list-retention-policies") == [own]
