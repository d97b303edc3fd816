"""The MySQL engine: what it renders as values, and what it makes of a real MySQL and of real MariaDBs."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymysql
import pytest

from dbyard.engines import mysql
from dbyard.engines.mysql import mariadb, mysqld
from dbyard.engines.mysql.access import Observed, plan_missing
from dbyard.engines.mysql.passwords import derived_sha2_hash, sha256_crypt
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import MIB, Address, Certificate, Credentials, InstanceSpec, Layout, Plan, RenderInput, Restriction
from tests.engines.desired import desire

if TYPE_CHECKING:
    from dbyard.engines.mysql.servers import Server
    from tests.engines.conftest import Launch
    from tests.engines.conftest import Server as Running

PATHS = [Path(name) for name in ("/i/data", "/i/conf", "/i/log", "/i/run", "/e/usr/sbin", "/e")]
MARIADB = Layout("127.0.0.1", 20001, 20002, *PATHS, full_version="10.11.19")
MYSQL = replace(MARIADB, bin=Path("/e/usr/bin"), full_version="9.7.4")
SERVERS = [("mysql", "9.7"), ("mysql", "10.11"), ("mariadb", "11.8")]
CREDENTIALS = Credentials(
    "admin-secret-0123456789", "my_db_1234", "tenant-secret-0123", "my_db_1234", Certificate("CERT", "KEY", "CA")
)
NOTHING = Observed(database=False, locked={}, may_write={})


def plan(memory_mb: int = 512, disk_mb: int = 10240, connections: int = 30) -> Plan:
    return Plan("id", "plan", "Plan", "", "mysql", memory_mb, disk_mb, connections, 1.0, 1)


def render(
    of: Plan | None = None, credentials: Credentials = CREDENTIALS, layout: Layout = MARIADB, **changes: Any
) -> InstanceSpec:
    return mysql.render(RenderInput("i1", 1, of or plan(), 192, **changes), layout, credentials)


def settings(spec: InstanceSpec) -> dict[str, str]:
    text = next(file.content for file in spec.files if file.path.name == "server.cnf")
    return {name: value for name, _, value in (line.partition(" = ") for line in text.splitlines()[1:])}


class TestNameTenant:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("my-mysql-db", "my_mysql_db_1234"),
            ("42-answers", "db_42_answers_1234"),
            ("a-name-that-is-much-too-long-for-mysql", "a_name_that_is_much_too_lon_1234"),
            ("abcdefghijklmnopqrstuvwxyz-cut-here", "abcdefghijklmnopqrstuvwxyz_1234"),
        ],
    )
    def test_user_and_database_bear_the_name(self, name: str, expected: str) -> None:
        assert mysql.name_tenant(name, "1234") == (expected, expected)
        assert len(expected) <= 32


class TestForms:
    def test_are_those_of_both_drivers_of_jdbc(self) -> None:
        place, login = "127.0.0.1:20001/my_db_1234", "user=my_db_1234&password=tenant-secret-0123"
        assert mysql.connection_forms(Address("127.0.0.1", 20001), CREDENTIALS) == {
            "jdbc": f"jdbc:mysql://{place}?{login}",
            "jdbc-mariadb": f"jdbc:mariadb://{place}?{login}",
            "sqlalchemy": "mysql+pymysql://my_db_1234:tenant-secret-0123@127.0.0.1:20001/my_db_1234",
        }


class TestPasswords:
    @pytest.mark.parametrize(
        ("password", "salt", "rounds", "expected"),
        [  # of the specification
            ("Hello world!", "saltstring", 5000, "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
            ("a short string", "asaltof16chars..", 123456, "gP3VQ/6X7UUEW3HkBn2w1/Ptq2jxPyzV/cZKmF/wJvD"),
        ],
    )
    def test_sha256_crypt(self, password: str, salt: str, rounds: int, expected: str) -> None:
        assert sha256_crypt(password.encode(), salt.encode(), rounds) == expected

    def test_the_admins_has_the_same_salt_each_time(self) -> None:
        assert derived_sha2_hash("secret").startswith("$A$005$")
        assert derived_sha2_hash("secret") == derived_sha2_hash("secret") != derived_sha2_hash("another")


@pytest.mark.parametrize("layout", [MARIADB, MYSQL], ids=["mariadb", "mysql"])
class TestRender:
    def test_is_pure(self, layout: Layout) -> None:
        assert render(layout=layout) == render(layout=layout)

    def test_argv_names_configuration_first_and_data(self, layout: Layout) -> None:
        spec = render(layout=layout)
        program = {MARIADB: "/e/usr/sbin/mariadbd", MYSQL: "/e/usr/bin/mysqld"}[layout]
        assert spec.server.argv == (program, "--defaults-file=/i/conf/server.cnf", "--datadir=/i/data")
        assert spec.server.stop_signal == signal.SIGTERM
        assert spec.memory == 704 * MIB
        assert spec.server.address_space is None

    def test_one_command_prepares_a_spare(self, layout: Layout) -> None:
        (install,) = render(layout=layout).init
        assert {"--basedir=/e/usr", "--datadir=/i/data"} <= set(install.argv)

    def test_no_secret_is_in_argv_environment_or_clear_text(self, layout: Layout) -> None:
        spec = render(layout=layout)
        everything = [
            *spec.server.argv,
            *spec.init[0].argv,
            *spec.server.env.values(),
            *(file.content for file in spec.files),
        ]
        for secret in (CREDENTIALS.admin_password, CREDENTIALS.password):
            assert not any(secret in text for text in everything)

    def test_offers_tls_when_there_is_a_certificate(self, layout: Layout) -> None:
        assert settings(render(layout=layout))["ssl-key"] == "/i/conf/server.key"
        spare = render(credentials=replace(CREDENTIALS, certificate=Certificate("", "", "")), layout=layout)
        assert not [name for name in settings(spare) if name.startswith("ssl")]
        assert [file.path.name for file in spare.files] == ["server.cnf", "admin.sql"]

    @pytest.mark.parametrize(
        ("memory_mb", "connections", "expected"),
        [
            (512, 30, {"innodb-buffer-pool-size": "256M", "max-user-connections": "30"}),
            (4096, 200, {"innodb-buffer-pool-size": "2048M", "max-connections": "203"}),
            (32768, 1536, {"innodb-buffer-pool-size": "8192M"}),
        ],
    )
    def test_sizes_follow_the_plan(
        self, layout: Layout, memory_mb: int, connections: int, expected: dict[str, str]
    ) -> None:
        rendered = settings(render(plan(memory_mb, memory_mb * 20, connections), layout=layout))
        assert rendered | expected == rendered
        log = {MARIADB: "innodb-log-file-size", MYSQL: "innodb-redo-log-capacity"}[layout]
        assert rendered[log] == {512: "32M", 4096: "256M", 32768: "1024M"}[memory_mb]

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [({}, "ON"), ({"restriction": Restriction.READ_ONLY}, "ON"), ({"restriction": Restriction.CLOSED}, "OFF")],
    )
    def test_no_event_runs_in_a_closed_one(self, layout: Layout, changes: dict[str, Any], expected: str) -> None:
        assert settings(render(layout=layout, **changes))["event-scheduler"] == expected
        assert settings(render(layout=layout, admin_only=True, **changes))["event-scheduler"] == "OFF"


def test_url() -> None:
    assert mysql.url(Address("127.0.0.1", 20001), CREDENTIALS) == (
        "mysql://my_db_1234:tenant-secret-0123@127.0.0.1:20001/my_db_1234"
    )


class TestPlanMissing:
    def test_what_belongs_to_the_server_is_granted_first(self) -> None:
        *_, system, everything = plan_missing(mariadb, NOTHING, desire(CREDENTIALS))
        assert system == "GRANT SELECT ON performance_schema.* TO `my_db_1234`@'%'"
        assert everything == "GRANT ALL PRIVILEGES ON `%`.* TO `my_db_1234`@'%'"

    def test_nothing_is_left_to_do_for_what_is_there(self) -> None:
        there = Observed(True, {"my_db_1234": False}, {"my_db_1234": True})
        assert plan_missing(mysqld, there, desire(CREDENTIALS)) == []

    @pytest.mark.parametrize("server", [mariadb, mysqld])
    def test_the_password_itself_is_in_no_statement(self, server: Server) -> None:
        assert CREDENTIALS.password not in repr(plan_missing(server, NOTHING, desire(CREDENTIALS)))


@pytest.fixture(params=SERVERS, ids="-".join)
def server(request: pytest.FixtureRequest, launch: Launch) -> Running:
    return launch(*request.param)


def connect(server: Running, **changes: Any) -> pymysql.Connection[Any]:
    credentials = server.credentials
    access: dict[str, Any] = {
        "host": server.endpoint.host,
        "port": server.endpoint.port,
        "user": credentials.user,
        "password": credentials.password,
        "database": credentials.database,
        "ssl_disabled": True,
        "autocommit": True,
    }
    connection: pymysql.Connection[Any] = pymysql.connect(**(access | changes))
    return connection


def admin(server: Running) -> pymysql.Connection[Any]:
    return connect(server, user=mysql.ADMIN, password=server.credentials.admin_password, database=None)


def rows(connection: pymysql.Connection[Any], query: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def is_mariadb(server: Running) -> bool:
    return not server.layout.full_version.startswith("9.")


def said(connection: pymysql.Connection[Any], statement: str) -> str:
    """What the server says to it."""
    try:
        return f"gives {rows(connection, statement)}"
    except pymysql.MySQLError as error:
        return str(error)


REFUSED = r"denied|not allowed|Triggers can not be created on system tables"
NOT_ITS_OWN = (
    "SELECT * FROM mysql.user",
    "SELECT * FROM mysql.db",
    "SELECT * FROM sys.processlist",
    "CALL sys.ps_setup_enable_consumer('x')",
    "INSERT INTO mysql.db (Host, Db, User, Create_priv) VALUES ('%', 'mysql', 'x', 'Y')",
    "CREATE TABLE mysql.x (i INT)",
    "CREATE TABLE sys.x (i INT)",
    "CREATE TABLE performance_schema.x (i INT)",
    "RENAME TABLE t TO mysql.t",
    "CREATE VIEW v AS SELECT * FROM mysql.db",
    "CREATE TABLE mine LIKE mysql.db",
    "CREATE TRIGGER mysql.x BEFORE INSERT ON mysql.db FOR EACH ROW SET @a = 1",
    "CREATE EVENT mysql.x ON SCHEDULE EVERY 1 SECOND DO SELECT 1",
    "CREATE FUNCTION mysql.x() RETURNS INT DETERMINISTIC RETURN 1",
    "LOCK TABLES mysql.user WRITE",
    "HANDLER mysql.db OPEN",
    "DROP DATABASE mysql",
    "DROP DATABASE sys",
    "DROP DATABASE performance_schema",
    "ALTER DATABASE mysql CHARACTER SET latin1",
    "UPDATE performance_schema.setup_consumers SET enabled = 'NO'",
    "TRUNCATE TABLE performance_schema.host_cache",
    "SELECT 1 INTO OUTFILE '/tmp/x'",
    "LOAD DATA INFILE '/etc/passwd' INTO TABLE t",
    "CREATE USER other",
    "DROP USER dbyard",
    "RENAME USER dbyard TO other",
    "SET GLOBAL max_connections = 1",
    "SET GLOBAL event_scheduler = OFF",
    "INSTALL PLUGIN x SONAME 'ha_archive.so'",
    "CREATE FUNCTION f RETURNS STRING SONAME 'libc.so.6'",
    "SHUTDOWN",
    "GRANT SELECT ON my_test_db_1234.* TO dbyard",
    "GRANT SELECT ON `%`.* TO dbyard",
    "GRANT ALL ON *.* TO CURRENT_USER",
    "GRANT SELECT ON mysql.* TO CURRENT_USER",
    "CREATE ROLE other",
    "FLUSH TABLES WITH READ LOCK",
    "FLUSH PRIVILEGES",
    "CREATE DEFINER = dbyard@`%` PROCEDURE p() SELECT 1",
    "CREATE DEFINER = dbyard@`%` VIEW v AS SELECT 1",
    "CREATE DEFINER = dbyard@`%` EVENT e ON SCHEDULE EVERY 1 SECOND DO SELECT 1",
    "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (HOST '127.0.0.1')",
)
"""In words that both servers know."""
NOT_OF_MARIADB = (
    "SELECT * FROM mysql.global_priv",
    "SET PASSWORD FOR dbyard = PASSWORD('x')",
    "INSTALL SONAME 'ha_archive'",
    "BACKUP STAGE START",
)
NOT_OF_MYSQL = (
    "SET PASSWORD FOR dbyard = 'x'",
    "ALTER USER dbyard IDENTIFIED BY 'x'",
    "ALTER USER CURRENT_USER ACCOUNT LOCK",
    "SET PERSIST max_connections = 1",
    "SET PERSIST_ONLY max_connections = 1",
    "SET SESSION sql_log_bin = 0",
    "ALTER INSTANCE RELOAD TLS",
    "ALTER INSTANCE DISABLE INNODB REDO_LOG",
    "CLONE LOCAL DATA DIRECTORY '/tmp/x'",
    "CLONE INSTANCE FROM 'root'@'127.0.0.1':3306 IDENTIFIED BY 'x'",
    "INSTALL COMPONENT 'file://component_log_sink_json'",
    "CREATE TABLESPACE ts ADD DATAFILE 'ts.ibd'",
    "CREATE UNDO TABLESPACE ts ADD DATAFILE 'ts.ibu'",
    "CREATE RESOURCE GROUP rg TYPE = USER",
    "IMPORT TABLE FROM '/tmp/x.sdi'",
    "CHANGE REPLICATION SOURCE TO SOURCE_HOST = '127.0.0.1'",
    "RESET BINARY LOGS AND GTIDS",
    "RESTART",
    "GRANT SYSTEM_USER ON *.* TO CURRENT_USER",
    "SET DEFAULT ROLE ALL TO dbyard",
)
NUMBERS = "numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1000)"


class TestConfigure:
    def test_the_tenant_has_everything_in_its_database(self, server: Running) -> None:
        server.configure()
        server.configure()
        with connect(server) as connection:
            for statement in (
                "CREATE TABLE t (i INT PRIMARY KEY, s TEXT)",
                "INSERT INTO t VALUES (1, '🐬')",
                "CREATE VIEW v AS SELECT i FROM t",
                "CREATE PROCEDURE p() SELECT i FROM t",
                "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW SET NEW.s = 'x'",
                "LOCK TABLES t WRITE",
                "UNLOCK TABLES",
            ):
                rows(connection, statement)
            assert rows(connection, "SELECT s FROM t") == [("🐬",)]
            assert ("my_test_db_1234",) in rows(connection, "SHOW DATABASES")

    def test_the_tenant_has_nothing_outside_it(self, server: Running) -> None:
        server.configure()
        with connect(server) as connection:
            rows(connection, "CREATE TABLE t (i TEXT)")
            for statement in (*NOT_ITS_OWN, *(NOT_OF_MARIADB if is_mariadb(server) else NOT_OF_MYSQL)):
                assert re.search(REFUSED, said(connection, statement)), statement

    def test_the_tenant_reads_no_file_of_the_server(self, server: Running) -> None:
        server.configure()
        with connect(server) as connection:
            assert rows(connection, "SELECT LOAD_FILE('/etc/passwd')") == [(None,)]

    @pytest.mark.parametrize("done", [0, 1, 2, 3, 4, 6, 7, 8])
    def test_killed_after_any_statement_it_ends_the_same(self, server: Running, done: int) -> None:
        statements = plan_missing(mariadb if is_mariadb(server) else mysqld, NOTHING, desire(server.credentials))
        assert len(statements) == 8
        with admin(server) as connection:
            for statement in statements[:done]:
                rows(connection, statement)
        server.configure()
        with connect(server) as connection:
            rows(connection, "CREATE TABLE t (i INT)")
            everywhere, *grants = rows(connection, "SHOW GRANTS")
            assert everywhere[0].startswith("GRANT PROCESS ON *.* TO")
            assert sorted(grants) == [
                ("GRANT ALL PRIVILEGES ON `%`.* TO `my_test_db_1234`@`%`",),
                ("GRANT SELECT ON `performance_schema`.* TO `my_test_db_1234`@`%`",),
                ("GRANT SHOW VIEW ON `mysql`.* TO `my_test_db_1234`@`%`",),
                ("GRANT SHOW VIEW ON `sys`.* TO `my_test_db_1234`@`%`",),
            ]

    def test_only_the_admin_and_the_tenant_are_left(self, server: Running) -> None:
        server.configure()
        with admin(server) as connection:
            users = rows(connection, "SELECT User, Host FROM mysql.user ORDER BY User")
        own = ["mariadb.sys"] if is_mariadb(server) else ["mysql.infoschema", "mysql.session", "mysql.sys"]
        assert sorted(users) == [
            ("dbyard", "%"),
            *((each, "localhost") for each in own if each < "my_test"),
            ("my_test_db_1234", "%"),
            *((each, "localhost") for each in own if each > "my_test"),
        ]
        for each in own:
            with pytest.raises(pymysql.err.OperationalError, match=r"denied|locked"):
                connect(server, user=each, password="", database=None)
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            connect(server, user="root", password="", database=None)

    def test_a_tenants_own_password_is_not_undone(self, server: Running) -> None:
        server.configure()
        with connect(server) as connection:
            rows(connection, "SET PASSWORD = PASSWORD('mine')" if is_mariadb(server) else "SET PASSWORD = 'mine'")
        server.configure()
        connect(server, password="mine").close()

    def test_refusals_say_why(self, server: Running) -> None:
        with pytest.raises(TemporaryError, match="too long"):
            server.configure(credentials=replace(server.credentials, user="x" * 200))


class TestConnections:
    @pytest.mark.parametrize("hostname", ["127.0.0.1", "localhost"])
    def test_tls_is_offered_and_passes_full_verification(self, server: Running, hostname: str) -> None:
        server.configure()
        context = ssl.create_default_context(cadata=server.credentials.certificate.authority)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        with connect(server, host=hostname, ssl_disabled=False, ssl=context) as connection:
            assert rows(connection, "SHOW STATUS LIKE 'Ssl_version'") == [("Ssl_version", "TLSv1.3")]

    def test_its_own_client_takes_the_parts_of_the_url(self, server: Running) -> None:
        server.configure()
        client = server.layout.bin.parent / "bin" / ("mariadb" if is_mariadb(server) else "mysql")
        access = ["--host=127.0.0.1", f"--port={server.endpoint.port}", f"--user={server.credentials.user}"]
        answer = server.run(
            str(client),
            "--no-defaults",
            *access,
            "--skip-column-names",
            "--execute=SELECT 42",
            server.credentials.database,
            env={"MYSQL_PWD": server.credentials.password},
        )
        assert answer == "42\n"

    def test_the_admin_gets_in_when_the_tenant_has_taken_every_connection(self, server: Running) -> None:
        server.configure()
        taken = [connect(server) for _ in range(server.node.plan.connections)]
        with pytest.raises(pymysql.err.OperationalError, match="max_user_connections"):
            connect(server)
        mysql.ping(server.endpoint, server.credentials)
        for connection in taken:
            connection.close()


class TestPing:
    def test_refused_at_once_where_nobody_listens(self) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            endpoint = Address(*closed.getsockname())
            with pytest.raises(NotReady, match="refused"):
                mysql.ping(endpoint, CREDENTIALS)

    def test_a_stopped_server_is_not_ready_after_a_second(self, server: Running) -> None:
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        try:
            with pytest.raises(NotReady, match="timed out"):
                mysql.ping(server.endpoint, server.credentials)
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert time.monotonic() - begun < 1.9

    def test_a_wrong_admin_password_is_not_ready(self, server: Running) -> None:
        with pytest.raises(NotReady, match="denied"):
            mysql.ping(server.endpoint, replace(server.credentials, admin_password="wrong"))


class TestServer:
    def test_keeps_its_argv_and_has_no_socket_file(self, server: Running) -> None:
        assert server.process is not None
        argv = Path(f"/proc/{server.process.pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        assert tuple(argv) == server.spec.server.argv
        assert not [path for path in server.layout.data.parent.rglob("*") if path.is_socket()]

    def test_acknowledged_rows_survive_a_kill(self, server: Running) -> None:
        server.configure()
        with connect(server) as connection:
            rows(connection, "CREATE TABLE t (i INT)")
            rows(connection, "SET SESSION max_recursive_iterations = 1000" if is_mariadb(server) else "DO 0")
            rows(connection, f"INSERT INTO t WITH RECURSIVE {NUMBERS} SELECT n FROM numbers")  # noqa: S608
        assert server.process is not None
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        server.start()
        server.configure()
        with connect(server) as connection:
            assert rows(connection, "SELECT COUNT(*) FROM t") == [(1000,)]

    def test_writes_its_own_log_and_leaves_no_secret_in_it(self, server: Running) -> None:
        server.configure()
        assert "ready for connections" in (server.layout.log / "server.log").read_text()
        for secret in (server.credentials.password, server.credentials.admin_password):
            assert secret not in server.log()

    def test_starts_without_complaints(self, server: Running) -> None:
        assert "[Warning]" not in server.log()
        assert "[ERROR]" not in server.log()

    def test_stops_by_its_signal(self, server: Running) -> None:
        assert server.stop() == 0
