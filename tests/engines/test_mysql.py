"""The MySQL engine: what it renders as values, and what it makes of a real MariaDB."""

from __future__ import annotations

import os
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
from dbyard.engines.mysql.access import Observed, plan_missing
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import MIB, Address, Certificate, Credentials, InstanceSpec, Layout, Plan, RenderInput
from tests.engines.desired import desire

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server

PATHS = [Path(name) for name in ("/i/data", "/i/conf", "/i/log", "/i/run", "/e/usr/sbin", "/e")]
LAYOUT = Layout("127.0.0.1", 20001, 20002, *PATHS)
CREDENTIALS = Credentials(
    "admin-secret-0123456789", "my_db_1234", "tenant-secret-0123", "my_db_1234", Certificate("CERT", "KEY", "CA")
)
NOTHING = Observed(database=False, locked={}, may_write={})


def plan(memory_mb: int = 512, disk_mb: int = 10240, connections: int = 30) -> Plan:
    return Plan("id", "plan", "Plan", "", "mysql", memory_mb, disk_mb, connections, 1.0, 1)


def render(of: Plan | None = None, credentials: Credentials = CREDENTIALS) -> InstanceSpec:
    return mysql.render(RenderInput("i1", 1, of or plan(), 192), LAYOUT, credentials)


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


class TestRender:
    def test_is_pure(self) -> None:
        assert render() == render()

    def test_argv_names_configuration_first_and_data(self) -> None:
        spec = render()
        assert spec.server.argv == ("/e/usr/sbin/mariadbd", "--defaults-file=/i/conf/server.cnf", "--datadir=/i/data")
        assert spec.server.stop_signal == signal.SIGTERM
        assert spec.memory == 704 * MIB
        assert spec.server.address_space is None

    def test_one_command_prepares_a_spare(self) -> None:
        (install,) = render().init
        assert install.argv[:2] == ("/e/usr/bin/mariadb-install-db", "--no-defaults")
        assert {"--basedir=/e/usr", "--datadir=/i/data", "--skip-test-db"} <= set(install.argv)

    def test_no_secret_is_in_argv_environment_or_clear_text(self) -> None:
        spec = render()
        everything = [
            *spec.server.argv,
            *spec.init[0].argv,
            *spec.server.env.values(),
            *(file.content for file in spec.files),
        ]
        for secret in (CREDENTIALS.admin_password, CREDENTIALS.password):
            assert not any(secret in text for text in everything)

    def test_offers_tls_when_there_is_a_certificate(self) -> None:
        assert settings(render())["ssl-key"] == "/i/conf/server.key"
        spare = render(credentials=replace(CREDENTIALS, certificate=Certificate("", "", "")))
        assert not [name for name in settings(spare) if name.startswith("ssl")]
        assert [file.path.name for file in spare.files] == ["server.cnf", "admin.sql"]

    @pytest.mark.parametrize(
        ("memory_mb", "connections", "expected"),
        [
            (512, 30, {"innodb-buffer-pool-size": "256M", "innodb-log-file-size": "32M", "max-user-connections": "30"}),
            (4096, 200, {"innodb-buffer-pool-size": "2048M", "innodb-log-file-size": "256M", "max-connections": "203"}),
            (32768, 1536, {"innodb-buffer-pool-size": "8192M", "innodb-log-file-size": "1024M"}),
        ],
    )
    def test_sizes_follow_the_plan(self, memory_mb: int, connections: int, expected: dict[str, str]) -> None:
        rendered = settings(render(plan(memory_mb, memory_mb * 20, connections)))
        assert rendered | expected == rendered

    def test_url(self) -> None:
        assert mysql.url(Address("127.0.0.1", 20001), CREDENTIALS) == (
            "mysql://my_db_1234:tenant-secret-0123@127.0.0.1:20001/my_db_1234"
        )


class TestPlanMissing:
    def test_a_grant_covers_one_database_only(self) -> None:
        *_, grant = plan_missing(NOTHING, desire(CREDENTIALS))
        assert grant == "GRANT ALL PRIVILEGES ON `my\\_db\\_1234`.* TO `my_db_1234`@'%'"

    def test_nothing_is_left_to_do_for_what_is_there(self) -> None:
        assert plan_missing(Observed(True, {"my_db_1234": False}, {"my_db_1234": True}), desire(CREDENTIALS)) == []

    def test_the_password_itself_is_in_no_statement(self) -> None:
        assert CREDENTIALS.password not in repr(plan_missing(NOTHING, desire(CREDENTIALS)))


@pytest.fixture
def server(launch: Launch) -> Server:
    return launch("mysql", "10.11")


def connect(server: Server, **changes: Any) -> pymysql.Connection[Any]:
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


def admin(server: Server) -> pymysql.Connection[Any]:
    return connect(server, user=mysql.ADMIN, password=server.credentials.admin_password, database=None)


def rows(connection: pymysql.Connection[Any], query: str) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


class TestConfigure:
    def test_the_tenant_has_everything_in_its_database(self, server: Server) -> None:
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
            assert rows(connection, "SHOW DATABASES") == [("information_schema",), ("my_test_db_1234",)]

    @pytest.mark.parametrize(
        "statement",
        [
            "CREATE DATABASE other",
            "CREATE DATABASE myXtestXdbX1234",
            "SELECT * FROM mysql.global_priv",
            "SELECT 1 INTO OUTFILE '/tmp/x'",
            "LOAD DATA INFILE '/etc/passwd' INTO TABLE t",
            "CREATE USER other",
            "SET GLOBAL max_connections = 1",
            "SET PASSWORD FOR dbyard = PASSWORD('x')",
            "INSTALL SONAME 'ha_archive'",
            "SHUTDOWN",
            "GRANT SELECT ON my_test_db_1234.* TO dbyard",
        ],
    )
    def test_the_tenant_has_nothing_outside_it(self, server: Server, statement: str) -> None:
        server.configure()
        with connect(server) as connection:
            rows(connection, "CREATE TABLE t (i TEXT)")
            with pytest.raises(pymysql.err.OperationalError, match="denied"):
                rows(connection, statement)

    def test_the_tenant_reads_no_file_of_the_server(self, server: Server) -> None:
        server.configure()
        with connect(server) as connection:
            assert rows(connection, "SELECT LOAD_FILE('/etc/passwd')") == [(None,)]

    @pytest.mark.parametrize("done", range(4))
    def test_killed_after_any_statement_it_ends_the_same(self, server: Server, done: int) -> None:
        statements = plan_missing(NOTHING, desire(server.credentials))
        assert len(statements) == 3
        with admin(server) as connection:
            for statement in statements[:done]:
                rows(connection, statement)
        server.configure()
        with connect(server) as connection:
            rows(connection, "CREATE TABLE t (i INT)")
            assert rows(connection, "SHOW GRANTS")[1:] == [
                ("GRANT ALL PRIVILEGES ON `my\\_test\\_db\\_1234`.* TO `my_test_db_1234`@`%`",)
            ]

    def test_only_the_admin_and_the_tenant_are_left(self, server: Server) -> None:
        server.configure()
        with admin(server) as connection:
            users = rows(connection, "SELECT User, Host FROM mysql.global_priv ORDER BY User")
            plain = rows(connection, "SELECT User FROM mysql.user WHERE authentication_string IN ('', 'invalid')")
        assert users == [("dbyard", "%"), ("mariadb.sys", "localhost"), ("my_test_db_1234", "%")]
        assert plain == [("mariadb.sys",)]  # locked
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            connect(server, user="root", password="", database=None)

    def test_a_tenants_own_password_is_not_undone(self, server: Server) -> None:
        server.configure()
        with connect(server) as connection:
            rows(connection, "SET PASSWORD = PASSWORD('mine')")
        server.configure()
        connect(server, password="mine").close()

    def test_refusals_say_why(self, server: Server) -> None:
        with pytest.raises(TemporaryError, match="too long"):
            server.configure(credentials=replace(server.credentials, user="x" * 200))


class TestConnections:
    @pytest.mark.parametrize("hostname", ["127.0.0.1", "localhost"])
    def test_tls_is_offered_and_passes_full_verification(self, server: Server, hostname: str) -> None:
        server.configure()
        context = ssl.create_default_context(cadata=server.credentials.certificate.authority)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        with connect(server, host=hostname, ssl_disabled=False, ssl=context) as connection:
            assert rows(connection, "SHOW STATUS LIKE 'Ssl_version'") == [("Ssl_version", "TLSv1.3")]

    def test_mariadbs_own_client_takes_the_parts_of_the_url(self, server: Server) -> None:
        server.configure()
        client = server.layout.bin.parent / "bin" / "mariadb"
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

    def test_the_admin_gets_in_when_the_tenant_has_taken_every_connection(self, server: Server) -> None:
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

    def test_a_stopped_server_is_not_ready_after_a_second(self, server: Server) -> None:
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        try:
            with pytest.raises(NotReady, match="timed out"):
                mysql.ping(server.endpoint, server.credentials)
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert time.monotonic() - begun < 1.9

    def test_a_wrong_admin_password_is_not_ready(self, server: Server) -> None:
        with pytest.raises(NotReady, match="denied"):
            mysql.ping(server.endpoint, replace(server.credentials, admin_password="wrong"))


class TestServer:
    def test_keeps_its_argv_and_has_no_socket_file(self, server: Server) -> None:
        assert server.process is not None
        argv = Path(f"/proc/{server.process.pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        assert tuple(argv) == server.spec.server.argv
        assert not [path for path in server.layout.data.parent.rglob("*") if path.is_socket()]

    def test_acknowledged_rows_survive_a_kill(self, server: Server) -> None:
        server.configure()
        with connect(server) as connection:
            rows(connection, "CREATE TABLE t (i INT)")
            rows(connection, "INSERT INTO t SELECT seq FROM seq_1_to_1000")
        assert server.process is not None
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        server.start()
        server.configure()
        with connect(server) as connection:
            assert rows(connection, "SELECT COUNT(*) FROM t") == [(1000,)]

    def test_writes_its_own_log_and_leaves_no_secret_in_it(self, server: Server) -> None:
        server.configure()
        assert "ready for connections" in (server.layout.log / "server.log").read_text()
        for secret in (server.credentials.password, server.credentials.admin_password):
            assert secret not in server.log()

    def test_starts_without_complaints(self, server: Server) -> None:
        assert "[Warning]" not in server.log()
        assert "[ERROR]" not in server.log()

    def test_stops_by_its_signal(self, server: Server) -> None:
        assert server.stop() == 0
