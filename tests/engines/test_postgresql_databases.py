"""Databases and roles that a PostgreSQL tenant makes itself: what frameworks do with them, what they do not open."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from dbyard.engines import Reload
from dbyard.errors import LockedOut
from dbyard.model import Applied, Restriction
from tests.engines.test_configure import renew_password

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server

READER = {"user": "reader", "password": "of-the-reader"}


@pytest.fixture(params=["15", "17"])
def server(request: pytest.FixtureRequest, launch: Launch) -> Server:
    server = launch("postgresql", request.param)
    server.configure()
    return server


@pytest.fixture
def server17(launch: Launch) -> Server:
    server = launch("postgresql", "17")
    server.configure()
    return server


def enter(server: Server, **changes: Any) -> psycopg.Connection:
    url = server.engine.url(server.endpoint, server.credentials)
    return psycopg.connect(url, autocommit=True, connect_timeout=5, **changes)


def run(server: Server, *statements: str, **changes: Any) -> list[Any]:
    """What the last one returns."""
    with closing(enter(server, **changes)) as session:
        for statement in statements:
            cursor = session.execute(statement.encode())
        return [row[0] for row in cursor.fetchall()] if cursor.description else []


def close(server: Server, restriction: Restriction = Restriction.CLOSED) -> None:
    """As the platform does it: the files first."""
    server.update_files(restriction=restriction)
    assert isinstance(server.engine, Reload)
    server.engine.reload(server.endpoint, server.credentials.admin_password)
    assert server.configure(restriction) == Applied()


def make_reader(server: Server) -> None:
    me = server.credentials.user
    run(
        server,
        f"CREATE ROLE reader LOGIN PASSWORD '{READER['password']}'",
        f"GRANT CONNECT ON DATABASE {me} TO reader",
        "CREATE TABLE t AS SELECT 7 AS i",
        "GRANT SELECT ON t TO reader",
    )


class TestDatabases:
    def test_are_made_entered_and_dropped_from_any_other(self, server: Server) -> None:
        run(server, "CREATE DATABASE test_mine")
        run(server, "CREATE TABLE t (i int)", dbname="test_mine")
        run(server, "ALTER DATABASE test_mine RENAME TO test_yours", dbname="postgres")
        run(server, "CREATE DATABASE copy TEMPLATE test_yours")
        assert run(server, "SELECT count(*) FROM t", dbname="copy") == [0]
        run(server, "DROP DATABASE test_yours WITH (FORCE)", "DROP DATABASE copy")

    def test_of_any_encoding_are_made_from_template0(self, server: Server) -> None:
        run(server, "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
        assert run(server, "SHOW server_encoding", dbname="latin") == ["LATIN1"]

    def test_are_read_only_with_the_first(self, server: Server) -> None:
        run(server, "CREATE DATABASE other")
        run(server, "CREATE TABLE t (i int)", dbname="other")
        with closing(enter(server, dbname="other")) as writer:
            writer.execute("BEGIN; INSERT INTO t VALUES (1)")
            server.configure(Restriction.READ_ONLY)
            with pytest.raises(psycopg.OperationalError):
                writer.execute("INSERT INTO t VALUES (2)")
        for name in ("other", "postgres"):
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                run(server, "CREATE DATABASE more", dbname=name)
        server.configure()
        run(server, "INSERT INTO t VALUES (3)", dbname="other")

    def test_are_closed_with_the_first_and_come_back_as_they_were(self, server: Server) -> None:
        run(server, "CREATE DATABASE other", "CREATE DATABASE shut", "ALTER DATABASE shut ALLOW_CONNECTIONS false")
        run(server, f"ALTER DATABASE {server.credentials.database} CONNECTION LIMIT 9")
        with closing(enter(server, dbname="other")) as inside:
            server.configure(Restriction.CLOSED)
            with pytest.raises(psycopg.OperationalError):
                inside.execute("SELECT 1")
        for name in ("other", "postgres", server.credentials.database):
            with pytest.raises(psycopg.OperationalError, match="too many connections"):
                enter(server, dbname=name)
        assert server.configure(Restriction.CLOSED) == Applied()
        assert server.configure() == Applied()
        assert run(server, "SELECT datconnlimit FROM pg_database WHERE datname = current_database()") == [9]
        assert run(server, "SELECT datallowconn FROM pg_database WHERE datname = 'shut'", dbname="other") == [False]

    def test_of_an_older_closing_open_again(self, server: Server) -> None:
        with admin(server) as session:
            session.execute(f"ALTER DATABASE {server.credentials.database} ALLOW_CONNECTIONS false".encode())
        assert server.configure() == Applied()
        assert run(server, "SELECT 1") == [1]

    def test_sessions_in_them_end_with_the_password(self, server: Server) -> None:
        run(server, "CREATE DATABASE other")
        with closing(enter(server, dbname="other")) as inside:
            renew_password(server)
            assert server.configure(reset=True) == Applied()
            with pytest.raises(psycopg.OperationalError):
                inside.execute("SELECT 1")
        assert run(server, "SELECT 1", dbname="other") == [1]

    def test_count_in_the_statistics(self, server: Server) -> None:
        before = server.engine.stats(server.endpoint, server.credentials)["data_size"]
        run(server, "CREATE DATABASE other")
        assert server.engine.stats(server.endpoint, server.credentials)["data_size"] >= before * 2

    @pytest.mark.parametrize("how", ["DROP DATABASE {me}", "ALTER DATABASE {me} RENAME TO spare"])
    def test_the_first_may_go_and_comes_back_empty(self, server: Server, how: str) -> None:
        run(server, "CREATE TABLE t (i int)")
        run(server, how.format(me=server.credentials.database), dbname="postgres")
        with pytest.raises(LockedOut, match="does not exist"):
            server.engine.check_login(server.endpoint, server.credentials)
        assert server.configure() == Applied()
        assert run(server, "SELECT to_regclass('t')::text") == [None]
        if "RENAME" in how:
            assert run(server, "SELECT count(*) FROM t", dbname="spare") == [0]

    def test_a_template_of_its_own_is_no_lock(self, server: Server) -> None:
        me = server.credentials.database
        run(server, f"ALTER DATABASE {me} IS_TEMPLATE true")
        assert server.configure(Restriction.CLOSED) == Applied()
        assert server.configure() == Applied()
        assert run(server, "SELECT 1") == [1]

    def test_servers_of_before_get_them_too(self, server: Server) -> None:
        me = server.credentials.user
        with admin(server) as session:
            session.execute(f"ALTER ROLE {me} NOCREATEDB NOCREATEROLE".encode())
            session.execute("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
            session.execute("GRANT EXECUTE ON FUNCTION lo_create(oid) TO PUBLIC")
        assert server.configure() == Applied()
        run(server, "CREATE DATABASE other", dbname="postgres")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            run(server, "SELECT lo_create(0)", dbname="postgres")


class TestMaintenance:
    @pytest.mark.parametrize(
        "statement",
        [
            "CREATE TABLE t (i int)",
            "CREATE TEMP TABLE t (i int)",
            "CREATE SCHEMA s",
            "CREATE EXTENSION hstore",
            "SELECT lo_create(0)",
            "SELECT lo_creat(-1)",
            "SELECT lo_from_bytea(0, 'x')",
            "CREATE PUBLICATION p",
            "ALTER DATABASE postgres SET jit = on",
            "ALTER DATABASE postgres CONNECTION LIMIT 0",
            "DROP DATABASE postgres",
            "BEGIN; LOCK TABLE pg_database IN ACCESS EXCLUSIVE MODE",
            "VACUUM FULL pg_database",
            "COMMENT ON DATABASE postgres IS 'mine'",
            "CREATE STATISTICS s ON oid, datname FROM pg_database",
        ],
    )
    def test_takes_nothing(self, server: Server, statement: str) -> None:
        said: list[str] = []
        with closing(enter(server, dbname="postgres")) as session:
            session.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
            with suppress(psycopg.errors.InsufficientPrivilege):
                session.execute(statement.encode())
                assert any("vacuum" in each for each in said), f"{statement} was done"


class TestRoles:
    def test_are_refused_before_16(self, launch: Launch) -> None:
        """There a role that makes others may give them any that is no superuser's: files and programs of the server."""
        server = launch("postgresql", "15")
        server.configure()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            run(server, "CREATE ROLE reader")

    def test_read_what_they_are_given(self, server17: Server) -> None:
        make_reader(server17)
        assert run(server17, "SELECT i FROM t", **READER) == [7]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            run(server17, "DELETE FROM t", **READER)
        run(server17, "SET createrole_self_grant = 'set, inherit'", "CREATE ROLE app", "SET ROLE app", "RESET ROLE")
        run(server17, f"GRANT reader TO {server17.credentials.user}", "DROP OWNED BY reader")
        run(server17, "DROP ROLE reader", "DROP ROLE app")

    @pytest.mark.parametrize(
        "statement",
        [
            "ALTER ROLE dbyard PASSWORD 'x'",
            "ALTER ROLE dbyard RENAME TO mine",
            "ALTER ROLE dbyard SET search_path = public",
            "ALTER ROLE ALL SET search_path = public",
            "DROP ROLE dbyard",
            "GRANT dbyard TO CURRENT_USER",
            "GRANT dbyard TO reader",
            "GRANT pg_read_server_files TO reader",
            "GRANT pg_write_server_files TO CURRENT_USER",
            "GRANT pg_execute_server_program TO reader WITH ADMIN OPTION",
            "GRANT pg_monitor TO reader",
            "GRANT pg_signal_backend TO reader",
            "GRANT pg_database_owner TO reader",
            "CREATE ROLE x SUPERUSER",
            "CREATE ROLE x REPLICATION",
            "CREATE ROLE x BYPASSRLS",
            "CREATE ROLE x IN ROLE pg_read_all_data",
            "CREATE ROLE x ADMIN dbyard IN ROLE dbyard",
            "ALTER ROLE reader SUPERUSER",
            "ALTER ROLE CURRENT_USER SUPERUSER",
            "ALTER ROLE CURRENT_USER CONNECTION LIMIT 0",
            "ALTER ROLE CURRENT_USER NOLOGIN",
            "ALTER ROLE CURRENT_USER VALID UNTIL '2000-01-01'",
            "ALTER ROLE reader SET temp_file_limit = -1",
            "ALTER ROLE reader SET session_preload_libraries = 'x'",
            "DROP ROLE my_test_db_1234",
            "ALTER ROLE CURRENT_USER RENAME TO other",
            "GRANT my_test_db_1234 TO reader",
        ],
    )
    def test_open_nothing_else(self, server17: Server, statement: str) -> None:
        make_reader(server17)
        with pytest.raises(psycopg.Error, match=r"permission denied|cannot|must|[Oo]nly"):
            run(server17, statement)

    def test_that_make_others_have_no_power_over_the_first(self, server17: Server) -> None:
        me = server17.credentials.user
        run(server17, "CREATE ROLE maker LOGIN CREATEROLE CREATEDB PASSWORD 'of-the-maker'")
        login = {"user": "maker", "password": "of-the-maker", "dbname": "postgres"}
        for statement in (
            f"ALTER ROLE {me} PASSWORD 'x'",
            f"DROP ROLE {me}",
            f"GRANT {me} TO maker",
            f"ALTER ROLE {me} SET statement_timeout = 1",
            f"ALTER ROLE {me} CONNECTION LIMIT 0",
            f"DROP DATABASE {server17.credentials.database}",
        ):
            with pytest.raises(psycopg.Error, match=r"permission denied|must be"):
                run(server17, statement, **login)

    def test_are_shut_out_with_the_first(self, server17: Server) -> None:
        make_reader(server17)
        with closing(enter(server17, **READER)) as inside:
            close(server17)
            with pytest.raises(psycopg.OperationalError):
                inside.execute("SELECT 1")
        for login in (READER, {}):
            with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
                enter(server17, **login)
        close(server17, Restriction.NONE)
        assert run(server17, "SELECT i FROM t", **READER) == [7]

    def test_write_nothing_while_the_disk_is_nearly_full(self, server17: Server) -> None:
        make_reader(server17)
        run(server17, "GRANT INSERT ON t TO reader")
        with closing(enter(server17, **READER)) as writer:
            writer.execute("BEGIN; INSERT INTO t VALUES (1)")
            server17.configure(Restriction.READ_ONLY)
            with pytest.raises(psycopg.OperationalError):
                writer.execute("INSERT INTO t VALUES (2)")

    def test_nobody_logs_in_as_the_admin_or_without_a_password(self, server17: Server) -> None:
        run(server17, "CREATE ROLE open LOGIN")
        for user in ("open", "dbyard", "pg_monitor", "nobody"):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                enter(server17, user=user, password="guessed", dbname="postgres")

    def test_an_owner_that_locks_the_first_out_is_overruled(self, server17: Server) -> None:
        me = server17.credentials.user
        run(
            server17,
            "SET createrole_self_grant = 'set, inherit'",
            "CREATE ROLE holder CREATEDB",
            f"GRANT ALL ON DATABASE {me} TO holder WITH GRANT OPTION",
            f"ALTER DATABASE {me} OWNER TO holder",
            "SET ROLE holder",
            f"REVOKE ALL ON DATABASE {me} FROM {me}, PUBLIC",
            "RESET ROLE",
            f"REVOKE holder FROM {me}",
        )
        with suppress(LockedOut):
            server17.engine.check_login(server17.endpoint, server17.credentials)
        assert server17.configure() == Applied()
        server17.engine.check_login(server17.endpoint, server17.credentials)


def admin(server: Server) -> psycopg.Connection:
    return psycopg.connect(
        host=server.endpoint.host,
        port=server.endpoint.port,
        user="dbyard",
        password=server.credentials.admin_password,
        dbname="postgres",
        autocommit=True,
    )
