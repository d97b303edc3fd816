"""The PostgreSQL engine: what it renders as values, and what it makes of real servers."""

from __future__ import annotations

import os
import signal
import socket
import stat
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from dbyard.engines import postgresql
from dbyard.engines.postgresql.access import Observed, plan_missing
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import MIB, Address, Certificate, Credentials, InstanceSpec, Layout, Plan, RenderInput, Restriction
from tests.engines.desired import desire

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server

VERSIONS = ["15", "17"]
PATHS = [Path(name) for name in ("/i/data", "/i/conf", "/i/log", "/i/run", "/e/bin", "/e")]
LAYOUT = Layout("127.0.0.1", 20001, 20002, *PATHS)
CREDENTIALS = Credentials(
    "admin-secret-0123456789", "my_db_1234", "tenant-secret-0123", "my_db_1234", Certificate("CERT", "KEY", "CA")
)
NOTHING = Observed(
    users={},
    database=False,
    is_open=False,
    is_shut_out=False,
    has_freedoms=True,
    has_maintenance=True,
    may_make_roles=True,
    locked_out=False,
    read_only=False,
    has_plan=True,
    spare_user=False,
    spare_database=False,
)
SPARE_ONLY = replace(NOTHING, spare_user=True, spare_database=True)
SECURED = ([("dbyard", True), ("my_test_db_1234", True)], "my_test_db_1234", False)
FORBIDDEN = [
    "SELECT pg_read_file('/etc/passwd')",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/tmp/x'",
    "SELECT lo_import('/etc/passwd')",
    "ALTER DATABASE template1 ALLOW_CONNECTIONS true",
    "CREATE DATABASE other TEMPLATE postgres",
    "CREATE ROLE other SUPERUSER",
    "CREATE ROLE other IN ROLE pg_read_server_files",
    "ALTER SYSTEM SET jit = on",
    "SELECT * FROM pg_authid",
    "ALTER ROLE dbyard PASSWORD 'x'",
    "CREATE EXTENSION postgres_fdw",
    "SET temp_file_limit = -1",
]


def plan(memory_mb: int = 512, disk_mb: int = 10240, connections: int = 30, cpu: float = 1.0) -> Plan:
    return Plan("id", "plan", "Plan", "", "postgresql", memory_mb, disk_mb, connections, cpu, 1)


def render(of: Plan | None = None, credentials: Credentials = CREDENTIALS) -> InstanceSpec:
    return postgresql.render(RenderInput("i1", 1, of or plan(), 192), LAYOUT, credentials)


def settings(spec: InstanceSpec) -> dict[str, str]:
    text = next(file.content for file in spec.files if file.path.name == "postgresql.conf")
    pairs = (line.split(" = ", 1) for line in text.splitlines())
    return {name: value.removeprefix("'").removesuffix("'") for name, value in pairs}


class TestNameTenant:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("my-postgres-db", "my_postgres_db_1234"),
            ("42-answers", "db_42_answers_1234"),
            ("pg-fortress", "db_pg_fortress_1234"),  # PostgreSQL keeps roles that begin with pg_ for itself
            ("pgfortress", "pgfortress_1234"),
        ],
    )
    def test_user_and_database_bear_the_name(self, name: str, expected: str) -> None:
        assert postgresql.name_tenant(name, "1234") == (expected, expected)

    def test_longest_name_fits_an_identifier(self) -> None:
        user, _ = postgresql.name_tenant("9" * 48, "1234")
        assert len(user) <= 63


class TestRender:
    def test_is_pure(self) -> None:
        assert render() == render()

    def test_argv_names_data_and_configuration(self) -> None:
        spec = render()
        assert spec.server.argv == ("/e/bin/postgres", "-D", "/i/data", "-c", "config_file=/i/conf/postgresql.conf")
        assert spec.server.stop_signal == signal.SIGINT
        assert spec.memory == 704 * MIB
        assert spec.server.address_space == 616 * MIB

    def test_prepares_a_spare_with_a_known_locale_and_checksums(self) -> None:
        initdb, first = render().init
        assert initdb.argv[0] == "/e/bin/initdb"
        assert {"--data-checksums", "C.UTF-8", "libc", "UTF8", "reject"} <= set(initdb.argv)
        assert first.argv[:4] == ("/e/bin/postgres", "--single", "-D", "/i/data")
        assert "CREATE DATABASE spare OWNER spare;\n" in first.stdin

    def test_no_secret_is_in_argv_environment_or_clear_text(self) -> None:
        spec = render()
        everything = [*spec.server.argv, *spec.server.env.values(), *(file.content for file in spec.files)]
        for command in spec.init:
            everything += [*command.argv, command.stdin]
        for secret in (CREDENTIALS.admin_password, CREDENTIALS.password):
            assert not any(secret in text for text in everything)
        assert "KEY" not in repr(spec)

    def test_only_the_admin_here_and_the_tenant_may_log_in(self) -> None:
        rules = next(file.content for file in render().files if file.path.name == "pg_hba.conf")
        assert rules.splitlines() == [
            'host all "dbyard" samehost scram-sha-256',
            'host replication "dbyard" samehost scram-sha-256',
            'host all "dbyard" all reject',
            "host template0,template1 all all reject",
            "host all all all scram-sha-256",
        ]
        node = RenderInput("i1", 1, plan(), 192)
        for shut in (replace(node, admin_only=True), replace(node, restriction=Restriction.CLOSED)):
            spec = postgresql.render(shut, LAYOUT, CREDENTIALS)
            closed = next(file.content for file in spec.files if file.path.name == "pg_hba.conf")
            assert closed.splitlines() == rules.splitlines()[:-1]

    @pytest.mark.parametrize(("full_version", "may"), [("15.18", False), ("16.2", True), ("17.12", True), ("", False)])
    def test_a_tenant_makes_roles_where_that_is_narrow(self, full_version: str, may: bool) -> None:
        layout = replace(LAYOUT, full_version=full_version)
        _, first = postgresql.render(RenderInput("i1", 1, plan(), 192), layout, CREDENTIALS).init
        assert ("CREATE ROLE spare NOLOGIN CREATEDB CREATEROLE;\n" in first.stdin) is may
        assert "CREATE ROLE spare NOLOGIN CREATEDB" in first.stdin

    def test_offers_tls_when_there_is_a_certificate(self) -> None:
        spec = render()
        assert settings(spec)["ssl_key_file"] == "/i/conf/server.key"
        assert {file.path.name for file in spec.files} >= {"server.crt", "server.key"}
        spare = render(credentials=replace(CREDENTIALS, certificate=Certificate("", "", "")))
        assert "ssl" not in settings(spare)
        assert len(spare.files) == 2

    @pytest.mark.parametrize(
        ("memory_mb", "connections", "cpu", "expected"),
        [
            (512, 30, 1.0, {"shared_buffers": "128MB", "work_mem": "4369kB", "max_parallel_workers": "0"}),
            (4096, 240, 1.0, {"shared_buffers": "1024MB", "work_mem": "4369kB", "wal_buffers": "4096kB"}),
            (65536, 3840, 16.0, {"shared_buffers": "8192MB", "max_parallel_workers_per_gather": "4"}),
            (128, 1000, 0.5, {"work_mem": "1024kB", "maintenance_work_mem": "16MB", "max_connections": "1005"}),
        ],
    )
    def test_sizes_follow_the_plan(
        self, memory_mb: int, connections: int, cpu: float, expected: dict[str, str]
    ) -> None:
        rendered = settings(render(plan(memory_mb, memory_mb * 20, connections, cpu)))
        assert rendered | expected == rendered

    def test_url(self) -> None:
        assert postgresql.url(Address("127.0.0.1", 20001), CREDENTIALS) == (
            "postgresql://my_db_1234:tenant-secret-0123@127.0.0.1:20001/my_db_1234"
        )

    def test_forms_of_the_url(self) -> None:
        access = "my_db_1234:tenant-secret-0123@127.0.0.1:20001/my_db_1234"
        assert postgresql.connection_forms(Address("127.0.0.1", 20001), CREDENTIALS) == {
            "jdbc": "jdbc:postgresql://127.0.0.1:20001/my_db_1234?user=my_db_1234&password=tenant-secret-0123",
            "sqlalchemy": f"postgresql+psycopg://{access}",
            "sqlalchemy-asyncpg": f"postgresql+asyncpg://{access}",
        }


class TestPlanMissing:
    def test_one_with_a_locale_is_made_anew(self) -> None:
        batches = plan_missing(SPARE_ONLY, replace(desire(CREDENTIALS), settings={"locale": "de"}))
        made = (
            'CREATE DATABASE "my_db_1234" OWNER "my_db_1234" TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE \'de\''
        )
        assert batches[1:3] == [["DROP DATABASE spare"], [f"{made} LOCALE 'C.UTF-8'"]]

    def test_a_spare_becomes_the_tenants_in_one_transaction(self) -> None:
        (batch,) = plan_missing(SPARE_ONLY, desire(CREDENTIALS))
        assert batch[:2] == [
            'ALTER ROLE spare RENAME TO "my_db_1234"',
            'ALTER DATABASE spare RENAME TO "my_db_1234"',
        ]
        assert batch[-1].startswith('ALTER ROLE "my_db_1234" LOGIN PASSWORD \'SCRAM-SHA-256$4096:')

    def test_without_a_spare_the_database_is_created_by_itself(self) -> None:
        batches = plan_missing(NOTHING, desire(CREDENTIALS))
        assert batches[:2] == [
            ['CREATE ROLE "my_db_1234" NOLOGIN'],
            ['CREATE DATABASE "my_db_1234" OWNER "my_db_1234"'],
        ]

    def test_nothing_is_left_to_do_for_who_can_log_in(self) -> None:
        done = replace(NOTHING, users={"my_db_1234": True}, database=True, is_open=True)
        assert plan_missing(done, desire(CREDENTIALS)) == []

    def test_the_password_itself_is_in_no_statement(self) -> None:
        for observed in (NOTHING, SPARE_ONLY):
            assert CREDENTIALS.password not in repr(plan_missing(observed, desire(CREDENTIALS)))


@pytest.fixture(params=VERSIONS)
def server(request: pytest.FixtureRequest, launch: Launch) -> Server:
    return launch("postgresql", request.param)


@pytest.fixture
def server17(launch: Launch) -> Server:
    return launch("postgresql", "17")


def tenant(server: Server, **changes: object) -> psycopg.Connection:
    url = server.engine.url(server.endpoint, server.credentials)
    return psycopg.connect(url, autocommit=True, connect_timeout=5, **changes)  # type: ignore[arg-type]


def admin(server: Server) -> psycopg.Connection:
    return psycopg.connect(
        host=server.endpoint.host,
        port=server.endpoint.port,
        user=postgresql.ADMIN,
        password=server.credentials.admin_password,
        dbname="postgres",
        autocommit=True,
    )


def one(connection: psycopg.Connection, query: str) -> object:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


class TestConfigure:
    def test_the_tenant_owns_its_database_and_no_other(self, server: Server) -> None:
        server.configure()
        server.configure()
        with tenant(server) as connection:
            connection.execute("CREATE SCHEMA app; CREATE TABLE app.t (i int); INSERT INTO app.t VALUES (1)")
            connection.execute("CREATE TABLE public.t (i int)")
            connection.execute("CREATE EXTENSION pgcrypto")
            databases = connection.execute("SELECT datname FROM pg_database ORDER BY 1").fetchall()
        assert databases == [("my_test_db_1234",), ("postgres",), ("template0",), ("template1",)]

    def test_the_tenant_has_no_power_over_server_files_or_programs(self, server: Server) -> None:
        server.configure()
        with tenant(server) as connection:
            for statement in FORBIDDEN:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
            flags = connection.execute(
                "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles"
                " WHERE rolname = current_user"
            ).fetchone()
        assert flags == (False, True, server.layout.full_version >= "16", False, False)

    @pytest.mark.parametrize("database", ["template0", "template1"])
    def test_the_tenant_cannot_enter_a_template(self, server17: Server, database: str) -> None:
        server17.configure()
        with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects"):
            tenant(server17, dbname=database)

    @pytest.mark.parametrize("spare", [True, False])
    @pytest.mark.parametrize("done", range(6))
    def test_killed_after_any_statement_it_ends_the_same(self, server17: Server, spare: bool, done: int) -> None:
        if not spare:
            drop_spare(server17)
        run_statements(server17, SPARE_ONLY if spare else NOTHING, done)
        server17.configure()
        with tenant(server17) as connection:
            connection.execute("CREATE TABLE t (i int)")
        assert state(server17) == SECURED

    def test_without_a_spare_it_creates_everything(self, server: Server) -> None:
        drop_spare(server)
        server.configure()
        with tenant(server) as connection:
            assert one(connection, "SELECT current_database()") == "my_test_db_1234"
        assert state(server) == SECURED

    def test_a_tenants_own_password_is_not_undone(self, server17: Server) -> None:
        server17.configure()
        with tenant(server17) as connection:
            connection.execute("ALTER ROLE CURRENT_USER PASSWORD 'mine'")
        server17.configure()
        tenant(server17, password="mine").close()

    def test_refusals_say_why(self, server17: Server) -> None:
        wrong = replace(server17.credentials, database="x" * 64, user="pg_x")
        with pytest.raises(TemporaryError, match="reserved"):
            server17.configure(credentials=wrong)


def drop_spare(server: Server) -> None:
    with admin(server) as connection:
        connection.execute("DROP DATABASE spare")
        connection.execute("DROP OWNED BY spare")  # a right to a setting
        connection.execute("DROP ROLE spare")


def run_statements(server: Server, observed: Observed, count: int) -> None:
    """The first `count` of the five missing statements, each one committed by itself."""
    batches = plan_missing(observed, desire(server.credentials))
    statements = [statement for batch in batches for statement in batch]
    assert len(statements) == 5
    with admin(server) as connection:
        for statement in statements[:count]:
            connection.execute(statement)


def state(server: Server) -> tuple[list[tuple[str, bool]], object, object]:
    """The roles, who owns the tenant's database, and whether everybody may connect to it."""
    with admin(server) as connection:
        roles = connection.execute(
            "SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%' ORDER BY 1"
        ).fetchall()
        owner = one(connection, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'my_test_db_1234'")
        public = one(
            connection,
            "SELECT EXISTS (SELECT FROM pg_database, aclexplode(datacl)"
            " WHERE datname = 'my_test_db_1234' AND grantee = 0)",
        )
    return roles, owner, public


class TestConnections:
    def test_tls_is_offered_and_passes_full_verification(self, server: Server, tmp_path: Path) -> None:
        server.configure()
        authority = tmp_path / "ca.crt"
        authority.write_text(server.credentials.certificate.authority)
        with tenant(server, sslmode="verify-full", sslrootcert=str(authority)) as connection:
            assert one(connection, "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == "TLSv1.3"
        with tenant(server, sslmode="disable") as connection:
            assert one(connection, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is False

    def test_psql_takes_the_url(self, server: Server) -> None:
        server.configure()
        url = server.engine.url(server.endpoint, server.credentials)
        assert server.run(str(server.layout.bin / "psql"), "-Atc", "SELECT 42", url) == "42\n"

    def test_a_wrong_password_is_refused(self, server17: Server) -> None:
        server17.configure()
        with pytest.raises(psycopg.OperationalError, match="authentication failed"):
            tenant(server17, password="wrong")

    def test_the_admin_gets_in_when_the_tenant_has_taken_every_connection(self, server17: Server) -> None:
        server17.configure()
        taken = [tenant(server17) for _ in range(server17.node.plan.connections)]
        with pytest.raises(psycopg.OperationalError, match="reserved"):
            tenant(server17)
        postgresql.ping(server17.endpoint, server17.credentials)
        for connection in taken:
            connection.close()


class TestPing:
    def test_refused_at_once_where_nobody_listens(self) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            endpoint = Address(*closed.getsockname())
            with pytest.raises(NotReady, match="refused"):
                postgresql.ping(endpoint, CREDENTIALS)

    def test_a_stopped_server_is_not_ready_after_a_second(self, server17: Server) -> None:
        assert server17.process is not None
        server17.process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        try:
            with pytest.raises(NotReady, match="within 1 s"):
                postgresql.ping(server17.endpoint, server17.credentials)
        finally:
            server17.process.send_signal(signal.SIGCONT)
        assert time.monotonic() - begun < 1.9

    def test_a_wrong_admin_password_is_not_ready(self, server17: Server) -> None:
        with pytest.raises(NotReady, match="authentication failed"):
            postgresql.ping(server17.endpoint, replace(server17.credentials, admin_password="wrong"))

    def test_who_asks_for_the_password_in_clear_does_not_get_it(self) -> None:
        received: list[bytes] = []

        def ask(listener: socket.socket) -> None:
            client, _ = listener.accept()
            with client:
                received.append(client.recv(4096))
                client.sendall(b"R\x00\x00\x00\x08\x00\x00\x00\x03")
                received.append(client.recv(4096))

        with socket.create_server(("127.0.0.1", 0)) as listener:
            stranger = threading.Thread(target=ask, args=(listener,))
            stranger.start()
            with pytest.raises(NotReady, match="requirement"):
                postgresql.ping(Address(*listener.getsockname()), CREDENTIALS)
            stranger.join(5)
        assert CREDENTIALS.admin_password.encode() not in b"".join(received)


class TestServer:
    def test_keeps_its_argv_for_adoption(self, server: Server) -> None:
        assert server.process is not None
        argv = Path(f"/proc/{server.process.pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        assert tuple(argv) == server.spec.server.argv

    def test_acknowledged_rows_survive_a_kill(self, server: Server) -> None:
        server.configure()
        with tenant(server) as connection:
            connection.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS i")
        assert server.process is not None
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        server.start()
        server.configure()
        with tenant(server) as connection:
            assert one(connection, "SELECT count(*) FROM t") == 1000

    def test_writes_its_own_log_and_leaves_no_secret_in_it(self, server: Server) -> None:
        server.configure()
        with tenant(server) as connection, pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM missing_table")
        server.stop()  # so that all of the log is written
        assert "missing_table" in (server.layout.log / "server.log").read_text()
        assert server.credentials.password not in server.log()
        assert server.credentials.admin_password not in server.log()
        assert stat.S_IMODE((server.layout.log / "server.log").stat().st_mode) == 0o600

    def test_a_greedy_query_fails_alone(self, server: Server) -> None:
        server.configure()
        with tenant(server) as bystander, tenant(server) as greedy:
            with pytest.raises(psycopg.errors.OutOfMemory):
                greedy.execute("SELECT string_agg(repeat('x', 1000000), '') FROM generate_series(1, 900)")
            assert one(greedy, "SELECT 1") == 1
            assert one(bystander, "SELECT 1") == 1
