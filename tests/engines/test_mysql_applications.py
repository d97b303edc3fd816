"""What applications, their frameworks and their tools need of a MySQL or MariaDB beside tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pymysql
import pytest

from dbyard.errors import LockedOut
from dbyard.model import Applied, Restriction
from tests.e2e.platforms import wait_for

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server

SERVERS = [("mysql", "9.7"), ("mysql", "10.11"), ("mariadb", "11.8")]
SECONDS = 30.0
Ask = Callable[[str], list[Any]]


@pytest.fixture(scope="module", params=SERVERS, ids="-".join)
def started(request: pytest.FixtureRequest, launch_shared: Launch) -> Server:
    return launch_shared(*request.param)


@pytest.fixture
def server(started: Server) -> Iterator[Server]:
    """Its tenant has the database that it begins with, and nothing in it."""
    started.configure()
    first = started.credentials.database
    with session(started) as ask:
        for (name,) in ask("SHOW DATABASES"):
            if name not in ("mysql", "sys", "performance_schema", "information_schema"):
                ask(f"DROP DATABASE `{name}`")
        ask(f"CREATE DATABASE {first}")
    yield started
    assert started.configure() == Applied()


class session:
    """Runs statements as the tenant; each returns its rows."""

    def __init__(self, server: Server, database: str | None = None) -> None:
        self._connection = open_session(server, database)

    def __enter__(self) -> Ask:
        return lambda statement: rows(self._connection, statement)

    def __exit__(self, *_: object) -> None:
        if self._connection.open:
            self._connection.close()


def open_session(server: Server, database: str | None) -> pymysql.Connection[Any]:
    return pymysql.connect(
        host=server.endpoint.host,
        port=server.endpoint.port,
        user=server.credentials.user,
        password=server.credentials.password,
        database=database,
        autocommit=True,
    )


def rows(connection: pymysql.Connection[Any], statement: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())


def enter(server: Server) -> session:
    return session(server, server.credentials.database)


class TestTimeZones:
    def test_are_known(self, server: Server) -> None:
        with enter(server) as ask:
            ((converted,),) = ask("SELECT CONVERT_TZ('2024-07-01 12:00:00', 'UTC', 'Europe/Paris')")
            assert str(converted) == "2024-07-01 14:00:00"
            ask("SET time_zone = 'America/New_York'")

    def test_sessions_begin_in_utc(self, server: Server) -> None:
        with enter(server) as ask:
            assert ask("SELECT @@session.time_zone, timediff(now(), utc_timestamp()) = 0") == [("+00:00", 1)]


TICKING = (
    "CREATE TABLE ticks (id INT AUTO_INCREMENT PRIMARY KEY, at TIMESTAMP DEFAULT now())",
    "CREATE EVENT tick ON SCHEDULE EVERY 1 SECOND DO INSERT INTO ticks VALUES ()",
)
ENDLESS = (
    "CREATE TABLE ticks (id INT AUTO_INCREMENT PRIMARY KEY)",
    "CREATE PROCEDURE fill() BEGIN WHILE true DO INSERT INTO ticks VALUES (); END WHILE; END",
    "CREATE EVENT tick ON SCHEDULE AT now() DO CALL fill()",
)


def count(server: Server) -> int:
    with enter(server) as ask:
        return int(ask("SELECT count(*) FROM ticks")[0][0])


def await_ticks(server: Server) -> int:
    """One more than there are now."""
    before = count(server)
    wait_for(lambda: count(server) > before, server.log, SECONDS)
    return count(server)


def last_executed(server: Server) -> Any:
    with administer(server) as ask:
        return ask("SELECT last_executed FROM information_schema.events WHERE event_name = 'tick'")[0][0]


class TestEvents:
    def test_run(self, server: Server) -> None:
        with enter(server) as ask:
            for statement in TICKING:
                ask(statement)
        await_ticks(server)
        server.restart()
        await_ticks(server)

    def test_write_nothing_while_their_database_is_read_only(self, server: Server) -> None:
        with enter(server) as ask:
            for statement in TICKING:
                ask(statement)
        await_ticks(server)
        assert server.configure(Restriction.READ_ONLY) == Applied()
        written, executed = count(server), last_executed(server)
        wait_for(lambda: last_executed(server) > executed, server.log, SECONDS)
        assert count(server) == written
        with enter(server) as ask, pytest.raises(pymysql.Error, match="denied"):
            ask(TICKING[1].replace("tick ", "another "))
        server.configure()
        await_ticks(server)

    def test_do_not_run_while_their_database_is_closed(self, server: Server) -> None:
        with enter(server) as ask:
            for statement in TICKING:
                ask(statement)
        await_ticks(server)
        assert server.configure(Restriction.CLOSED) == Applied()
        for change in ({"restriction": Restriction.CLOSED}, {"restriction": Restriction.NONE, "admin_only": True}):
            assert scheduler_of(server) == "OFF"
            server.restart(**change)
        assert scheduler_of(server) == "OFF"
        server.update_files(admin_only=False)
        server.configure()
        assert scheduler_of(server) == "ON"
        await_ticks(server)

    @pytest.mark.parametrize("restriction", [Restriction.READ_ONLY, Restriction.CLOSED])
    def test_one_that_is_at_work_ends(self, server: Server, restriction: Restriction) -> None:
        with enter(server) as ask:
            for statement in ENDLESS:
                ask(statement)
        wait_for(lambda: count(server) > 10, server.log, SECONDS)
        assert server.configure(restriction) == Applied()
        with administer(server) as ask:
            running = "SELECT count(*) FROM information_schema.processlist WHERE user NOT IN ({})"
            assert ask(running.format("'dbyard', 'event_scheduler', 'system user'")) == [(0,)]
            assert ask("SELECT count(*) FROM information_schema.innodb_trx") == [(0,)]


def administer(server: Server) -> session:
    """As the platform."""
    made = session.__new__(session)
    made._connection = pymysql.connect(
        host=server.endpoint.host,
        port=server.endpoint.port,
        user="dbyard",
        password=server.credentials.admin_password,
        autocommit=True,
    )
    return made


def scheduler_of(server: Server) -> str:
    with administer(server) as ask:
        return str(ask("SELECT @@global.event_scheduler")[0][0])


class TestDatabases:
    """Django's and Rails' test databases, Prisma's shadow database: any name."""

    def test_are_made_logged_in_to_and_dropped(self, server: Server) -> None:
        name = "prisma_migrate_shadow_db_0d1c5f6e-7d0a-4b6c"
        with enter(server) as ask:
            ask(f"CREATE DATABASE `{name}`")
        with session(server, name) as ask:
            ask("CREATE TABLE t (i INT)")
            ask("INSERT INTO t VALUES (1)")
            ask("CREATE VIEW v AS SELECT * FROM t")
        found = server.engine.stats(server.endpoint, server.credentials)
        assert found["tables"] == 2
        assert found["data_size"] > 0
        with enter(server) as ask:
            assert ask(f"SELECT i FROM `{name}`.v") == [(1,)]  # noqa: S608
            ask(f"DROP DATABASE `{name}`")
        with pytest.raises(pymysql.Error, match="Unknown database"):
            session(server, name)

    def test_are_read_only_and_closed_as_the_first(self, server: Server) -> None:
        with enter(server) as ask:
            ask("CREATE DATABASE test_app")
            ask("CREATE TABLE test_app.t (i INT)")
        with session(server, "test_app") as early:
            early("INSERT INTO t VALUES (1)")
            server.configure(Restriction.READ_ONLY)
            with pytest.raises(pymysql.Error):
                early("INSERT INTO t VALUES (2)")
        with session(server, "test_app") as ask:
            for statement in ("INSERT INTO t VALUES (2)", "CREATE DATABASE more", "CREATE TABLE u (i INT)"):
                with pytest.raises(pymysql.Error, match="denied"):
                    ask(statement)
            assert ask("SELECT i FROM t") == [(1,)]
            ask("DROP TABLE t")
            ask("DROP DATABASE test_app")
        server.configure(Restriction.CLOSED)
        with pytest.raises(pymysql.Error, match="locked"):
            session(server)

    def test_the_first_one_may_be_dropped_which_is_told_and_mended(self, server: Server) -> None:
        with enter(server) as ask:
            ask(f"DROP DATABASE {server.credentials.database}")
        with pytest.raises(LockedOut, match="Unknown database"):
            server.engine.check_login(server.endpoint, server.credentials)
        with session(server) as ask:
            ask(f"CREATE DATABASE {server.credentials.database}")
        server.engine.check_login(server.endpoint, server.credentials)

    def test_a_grant_of_an_earlier_release_gives_way(self, server: Server) -> None:
        """Rights on one database by name, which would count for more than those on all."""
        with administer(server) as ask:
            me = f"`{server.credentials.user}`@'%'"
            ask(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {me}")
            ask(f"GRANT ALL PRIVILEGES ON `my\\_test\\_db\\_1234`.* TO {me}")
        with enter(server) as ask:
            ask("CREATE TABLE t (i INT)")
        server.configure()
        with enter(server) as ask:
            ask("CREATE DATABASE test_app")
        server.configure(Restriction.READ_ONLY)
        with enter(server) as ask, pytest.raises(pymysql.Error, match="denied"):
            ask("INSERT INTO t VALUES (1)")


SCHEMA = (
    "CREATE TABLE item (id INT PRIMARY KEY, body JSON, seen INT DEFAULT 0)",
    "CREATE TRIGGER stamp BEFORE INSERT ON item FOR EACH ROW SET NEW.seen = 1",
    "CREATE VIEW recent AS SELECT id FROM item",
    "CREATE PROCEDURE two() SELECT 2",
    "CREATE FUNCTION three() RETURNS INT DETERMINISTIC RETURN 3",
    "CREATE EVENT yearly ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01 00:00:00' DO DELETE FROM item",
    """INSERT INTO item (id, body) VALUES (1, '{"a": 1}')""",
)


def tool(server: Server, kind: str, *arguments: str, stdin: str = "") -> str:
    """A client program of the server's own; what it prints."""
    mariadb = {"client": "mariadb", "dump": "mariadb-dump"}
    mysql = {"client": "mysql", "dump": "mysqldump"}
    name = (mysql if server.layout.full_version.startswith("9.") else mariadb)[kind]
    access = [
        "--no-defaults",
        "--protocol=tcp",
        f"--host={server.endpoint.host}",
        f"--port={server.endpoint.port}",
        f"--user={server.credentials.user}",
    ]
    program = str(server.layout.bin.parent / "bin" / name)
    return server.run(program, *access, *arguments, stdin=stdin, env={"MYSQL_PWD": server.credentials.password})


class TestDumps:
    def test_with_triggers_routines_events_and_views_load_again(self, server: Server) -> None:
        database = server.credentials.database
        with enter(server) as ask:
            for statement in SCHEMA:
                ask(statement)
        dump = tool(server, "dump", "--single-transaction", "--routines", "--events", database)
        assert f"DEFINER=`{server.credentials.user}`" in dump
        with enter(server) as ask:
            ask("CREATE DATABASE copy")
        tool(server, "client", "copy", stdin=dump)
        with session(server, "copy") as ask:
            ask("INSERT INTO item (id) VALUES (2)")
            assert ask("SELECT id, seen FROM item") == [(1, 1), (2, 1)]
            assert ask("SELECT count(*) FROM recent") == [(2,)]
            assert ask("CALL two()") == [(2,)]
            assert ask("SELECT three()") == [(3,)]
            assert [row[1] for row in ask("SHOW EVENTS")] == ["yearly"]

    def test_of_another_database_load_without_their_definers(self, server: Server) -> None:
        with enter(server) as ask:
            for statement in SCHEMA:
                ask(statement)
        database = server.credentials.database
        dump = tool(server, "dump", "--routines", "--events", "--databases", database)
        dump = dump.replace(f"`{server.credentials.user}`@", "`somebody_else`@")
        with enter(server) as ask:
            ask(f"DROP DATABASE {database}")
        with pytest.raises(AssertionError, match="1227"):
            tool(server, "client", stdin=dump)
        tool(server, "client", stdin=re.sub(r"DEFINER=`[^`]+`@`[^`]+`", "", dump))
        with enter(server) as ask:
            ask("INSERT INTO item (id) VALUES (2)")
            assert ask("SELECT three(), seen FROM item WHERE id = 2") == [(3, 1)]


class TestDefaults:
    def test_are_those_that_users_know(self, server: Server) -> None:
        with enter(server) as ask:
            settings = "@@max_allowed_packet, @@character_set_server, @@autocommit, @@lower_case_table_names, @@log_bin"
            assert ask(f"SELECT {settings}") == [(64 << 20, "utf8mb4", 1, 0, 0)]
            ((mode,),) = ask("SELECT @@sql_mode")
            assert "STRICT_TRANS_TABLES" in mode

    def test_a_packet_of_twenty_megabytes(self, server: Server) -> None:
        with enter(server) as ask:
            ask("CREATE TABLE t (b LONGBLOB)")
            ask(f"INSERT INTO t VALUES ('{'x' * 20_000_000}')")  # noqa: S608
            assert ask("SELECT length(b) FROM t") == [(20_000_000,)]


class TestMysql:
    def test_takes_what_a_dump_of_mysql_8_says(self, launch: Launch) -> None:
        server = launch("mysql", "9.7")
        server.configure()
        with enter(server) as ask:
            for statement in (
                "CREATE TABLE words (w VARCHAR(50)) CHARSET utf8mb4 COLLATE utf8mb4_0900_ai_ci",
                "SELECT * FROM (SELECT 1 a) x, LATERAL (SELECT x.a) y",
                "SELECT ANY_VALUE(1)",
                "CREATE TABLE profiles (prefs JSON)",
                """INSERT INTO profiles VALUES ('{"a": 1}')""",
                "SELECT prefs -> '$.a', prefs ->> '$.a' FROM profiles",
            ):
                ask(statement)
            kind = "SELECT data_type FROM information_schema.columns WHERE table_name = 'profiles'"
            assert ask(kind) == [("json",)]
