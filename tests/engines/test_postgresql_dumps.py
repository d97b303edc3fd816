"""Dumps that were made elsewhere, restored by the tenant with the programs of its server."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from tests.engines.test_postgresql_databases import admin, enter, run

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server

ELSEWHERE = (
    "CREATE ROLE app_owner",
    "CREATE ROLE app_reader",
    "CREATE DATABASE shop OWNER app_owner TEMPLATE template0 LOCALE 'C.UTF-8'",
    "ALTER DATABASE shop SET statement_timeout = '1min'",
    "COMMENT ON DATABASE shop IS 'all that is sold'",
)
SHOP = (
    "CREATE EXTENSION hstore",
    "CREATE EXTENSION pgcrypto",
    "COMMENT ON EXTENSION hstore IS 'pairs'",
    "COMMENT ON SCHEMA public IS 'of the shop'",
    "SET ROLE app_owner",
    "CREATE SCHEMA sales",
    "CREATE TYPE sales.state AS ENUM ('open', 'paid')",
    "CREATE TABLE sales.customer (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tags hstore)",
    "CREATE TABLE sales.bill (id serial PRIMARY KEY, customer int REFERENCES sales.customer, state sales.state)",
    "CREATE FUNCTION sales.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "CREATE TRIGGER touched BEFORE UPDATE ON sales.bill FOR EACH ROW EXECUTE FUNCTION sales.touch()",
    "CREATE MATERIALIZED VIEW sales.paid AS SELECT * FROM sales.bill WHERE state = 'paid'",
    "INSERT INTO sales.customer (tags) VALUES ('a=>1')",
    "INSERT INTO sales.bill (customer, state) VALUES (1, 'paid')",
    "REFRESH MATERIALIZED VIEW sales.paid",
    "SELECT lo_from_bytea(4711, 'a picture')",
    "GRANT USAGE ON SCHEMA sales TO app_reader",
    "GRANT SELECT ON sales.bill TO app_reader",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA sales GRANT SELECT ON TABLES TO app_reader",
)


@pytest.fixture(params=["15", "17"])
def server(request: pytest.FixtureRequest, launch: Launch) -> Server:
    server = launch("postgresql", request.param)
    server.configure()
    return server


@pytest.fixture
def dump(launch: Launch, server: Server) -> bytes:
    """Of a server of the same version that knows other roles; with owners, rights, comments and a large object."""
    other = launch("postgresql", server.installation.version)
    with closing(admin(other)) as session:
        for statement in ELSEWHERE:
            session.execute(statement.encode())
    place = {"host": other.endpoint.host, "port": other.endpoint.port, "user": "dbyard", "dbname": "shop"}
    with psycopg.connect(**place, password=other.credentials.admin_password, autocommit=True) as session:  # type: ignore[arg-type]
        session.execute("GRANT CREATE ON DATABASE shop TO app_owner")
        for statement in SHOP:
            session.execute(statement.encode())
    path = other.layout.run / "shop.dump"
    url = f"postgresql://dbyard@{other.endpoint.host}:{other.endpoint.port}/shop"
    password = {"PGPASSWORD": other.credentials.admin_password}
    other.run(str(other.layout.bin / "pg_dump"), "--format=custom", f"--file={path}", url, env=password)
    return path.read_bytes()


def restore(server: Server, dump: bytes, *options: str, database: str = "") -> None:
    path = server.layout.run / "shop.dump"
    path.write_bytes(dump)
    url = server.engine.url(server.endpoint, server.credentials)
    target = f"{url.rpartition('/')[0]}/{database or server.credentials.database}"
    program = server.layout.bin / "pg_restore"
    server.run(str(program), "--exit-on-error", "--no-owner", f"--dbname={target}", *options, str(path))


class TestRestore:
    def test_into_the_database(self, server: Server, dump: bytes) -> None:
        run(server, "CREATE EXTENSION pgcrypto")  # which is there already
        restore(server, dump, "--no-privileges")
        assert run(server, "SELECT tags -> 'a' FROM sales.customer JOIN sales.paid ON paid.customer = customer.id") == [
            "1"
        ]
        assert run(server, "SELECT lo_get(4711)") == [b"a picture"]
        restore(server, dump, "--no-privileges", "--clean", "--if-exists")
        assert run(server, "SELECT count(*) FROM sales.bill") == [1]

    def test_into_one_that_it_creates(self, server: Server, dump: bytes) -> None:
        """`pg_restore --create`, from the maintenance database."""
        restore(server, dump, "--create", "--no-privileges", database="postgres")
        assert run(server, "SHOW statement_timeout", dbname="shop") == ["1min"]
        assert run(server, "SELECT count(*) FROM sales.bill", dbname="shop") == [1]

    def test_with_the_rights_of_its_roles(self, launch: Launch, server: Server, dump: bytes) -> None:
        if server.installation.version == "15":
            pytest.skip("15 has no roles of a tenant's own")
        me = server.credentials.user
        run(server, "CREATE ROLE app_reader", "CREATE ROLE app_owner", f"GRANT app_owner, app_reader TO {me}")
        restore(server, dump)
        assert run(server, "SELECT has_table_privilege('app_reader', 'sales.bill', 'SELECT')") == [True]

    def test_a_dump_of_its_own_database(self, server: Server, tmp_path: Path) -> None:
        run(server, "CREATE TABLE t AS SELECT 7 AS i", "CREATE EXTENSION pgcrypto")
        url = server.engine.url(server.endpoint, server.credentials)
        said = server.run(str(server.layout.bin / "pg_dump"), "--create", url)
        assert "CREATE TABLE public.t" in said
        run(server, f"ALTER DATABASE {server.credentials.database} RENAME TO before", dbname="postgres")
        server.run(
            *(str(server.layout.bin / "psql"), "--set=ON_ERROR_STOP=1", f"--dbname={url.rpartition('/')[0]}/postgres"),
            stdin=said,
        )
        assert run(server, "SELECT i FROM t") == [7]


class TestTriggers:
    def test_are_switched_off_for_a_load(self, server: Server) -> None:
        """Rows come in any order; what belongs to others stays closed."""
        tables = ("CREATE TABLE a (i int PRIMARY KEY)", "CREATE TABLE b (i int REFERENCES a)")
        run(server, *tables, "SET session_replication_role = replica", "INSERT INTO b VALUES (1)")
        with closing(enter(server, options="-c session_replication_role=replica")) as session:
            session.execute("INSERT INTO b VALUES (2)")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute("SET lc_messages = 'C'")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute("DELETE FROM pg_class")
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            run(server, "INSERT INTO b VALUES (3)")

    def test_stay_allowed(self, server: Server) -> None:
        run(server, f"DROP OWNED BY {server.credentials.user}")
        server.configure()
        run(server, "SET session_replication_role = replica")
