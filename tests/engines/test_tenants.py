"""What tenants of PostgreSQL, MySQL and Redis may do and must not, by a real platform and the clients people have."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest
import redis

from dbyard import catalogue, wire
from dbyard.runtimes.local import processes
from dbyard.runtimes.local.processes import Process
from tests.e2e import tenants
from tests.e2e.platforms import Platform, kill_processes, platform, require, wait_for
from tests.e2e.tenants import Tenant, Writer, connect_mysql

NAME = "contract-db"
BACK_SECONDS = 60.0
"""The promise is 5 seconds; a machine that runs other tests beside gets more."""
VERSIONS = [
    (slug, each.version)
    for slug in ("postgresql", "mysql", "redis")
    for each in catalogue.load().technologies[slug].versions
]

Execute: TypeAlias = Callable[[str], object]

# What a tenant must not do: read or write the server's files, run programs, see others, become more than it is.
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_read_file('postgresql.conf')",
        "SELECT pg_ls_dir('.')",
        "SELECT lo_import('/etc/passwd')",
        "COPY written TO '/tmp/stolen'",
        "COPY written FROM '/etc/passwd'",
        "COPY written TO PROGRAM 'cat'",
        "COPY written FROM PROGRAM 'id'",
        "ALTER SYSTEM SET log_statement = 'all'",
        "SET log_statement = 'all'",
        "SET temp_file_limit = -1",
        "SELECT pg_reload_conf()",
        "SELECT * FROM pg_authid",
        "SELECT * FROM pg_hba_file_rules",
        "CREATE ROLE another SUPERUSER",
        "CREATE ROLE another IN ROLE pg_execute_server_program",
        "CREATE DATABASE another TEMPLATE postgres",
        "DROP DATABASE postgres",
        "ALTER ROLE dbyard PASSWORD 'mine'",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "ALTER ROLE CURRENT_USER CREATEROLE",
        "GRANT pg_execute_server_program TO CURRENT_USER",
        "GRANT pg_read_server_files TO CURRENT_USER",
        "SET ROLE dbyard",
        "SET SESSION AUTHORIZATION dbyard",
        "CREATE EXTENSION file_fdw",
        "CREATE EXTENSION postgres_fdw",
        "CREATE EXTENSION dblink",
        "CREATE EXTENSION pageinspect",
        "CREATE FUNCTION f() RETURNS int LANGUAGE c AS 'libc.so.6', 'getpid'",
        "LOAD 'dblink'",
        "CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1' PUBLICATION p",
        "CREATE TABLESPACE elsewhere LOCATION '/tmp'",
        "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    ),
    "mysql": (
        "SELECT 1 INTO OUTFILE '/tmp/stolen'",
        "LOAD DATA INFILE '/etc/passwd' INTO TABLE written",
        "INSERT INTO written SELECT LENGTH(LOAD_FILE('/etc/passwd'))",  # nothing is read, and nothing is no number
        "SELECT * FROM mysql.db",
        "SELECT * FROM mysql.user",
        "DROP DATABASE mysql",
        "CREATE USER another IDENTIFIED BY 'x'",
        "GRANT ALL ON *.* TO CURRENT_USER()",
        "DROP USER dbyard",
        "SET GLOBAL general_log = 1",
        "SET GLOBAL general_log_file = '/tmp/stolen'",
        "SET GLOBAL max_connections = 1",
        "INSTALL PLUGIN x SONAME 'ha_archive.so'",
        "CREATE FUNCTION system RETURNS STRING SONAME 'libc.so.6'",
        "SHUTDOWN",
        "FLUSH TABLES",
        "SHOW BINARY LOGS",
    ),
    "redis": (
        "CONFIG SET dir /tmp",
        "CONFIG REWRITE",
        "ACL LIST",
        "ACL SETUSER another on",
        "MODULE LOAD /tmp/x.so",
        "DEBUG SLEEP 0",
        "SAVE",
        "BGSAVE",
        "BGREWRITEAOF",
        "SHUTDOWN NOSAVE",
        "REPLICAOF 127.0.0.1 1",
        "FAILOVER",
        "MONITOR",
        "PSYNC ? -1",
        "MIGRATE 127.0.0.1 1 key 0 100",
        "CLUSTER INFO",
        "LATENCY RESET",
    ),
}

OTHERS = {"postgresql": ("template0", "template1"), "mysql": (), "redis": ()}

# What some versions can do as well.
_EXTENSIONS = (
    'CREATE EXTENSION "uuid-ossp"',
    "SELECT uuid_generate_v4()",
    "CREATE EXTENSION vector",
    "CREATE TABLE embedding (id bigint PRIMARY KEY, near vector(3))",
    "INSERT INTO embedding VALUES (1, '[1,2,3]')",
    "CREATE INDEX ON embedding USING hnsw (near vector_l2_ops)",
    "SELECT id FROM embedding ORDER BY near <-> '[3,2,1]' LIMIT 1",
    "CREATE EXTENSION moddatetime",
    "CREATE EXTENSION pgstattuple",
    """SELECT 'é' < 'f' COLLATE "de-x-icu" """,
)
ALLOWED_MORE = {("postgresql", version): _EXTENSIONS for version in ("17", "18")}
# What applications do, in order.
ALLOWED: dict[str, tuple[str, ...]] = {
    "postgresql": (
        "CREATE SCHEMA app",
        "CREATE TABLE app.item (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body jsonb, at timestamptz)",
        "INSERT INTO app.item (body, at) SELECT jsonb_build_object('n', n), now() FROM generate_series(1, 100) n",
        "CREATE INDEX CONCURRENTLY ON app.item USING gin (body)",
        "CREATE TEMP TABLE scratch AS SELECT * FROM app.item ORDER BY body",
        "CREATE EXTENSION pgcrypto",
        "CREATE EXTENSION citext",
        "CREATE EXTENSION hstore",
        "CREATE EXTENSION pg_trgm",
        "SELECT crypt('secret', gen_salt('bf', 4))",
        "CREATE FUNCTION app.double(n int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN n * 2; END'",
        "SELECT app.double(21)",
        "CREATE VIEW app.recent AS SELECT * FROM app.item",
        "BEGIN",
        "SAVEPOINT here",
        "DELETE FROM app.item",
        "ROLLBACK TO here",
        "COMMIT",
        "LISTEN news",
        "NOTIFY news, 'hello'",
        "SELECT pg_advisory_lock(1)",
        "ANALYZE",
        "VACUUM app.item",
        "DROP SCHEMA app CASCADE",
    ),
    "mysql": (
        "CREATE TABLE item (id BIGINT AUTO_INCREMENT PRIMARY KEY, body JSON, at TIMESTAMP) ENGINE=InnoDB",
        "CREATE TABLE part (item BIGINT, FOREIGN KEY (item) REFERENCES item (id))",
        "INSERT INTO item (body) VALUES ('{\"n\": 1}'), ('{\"n\": 2}')",
        "CREATE INDEX item_at ON item (at)",
        "CREATE TEMPORARY TABLE scratch AS SELECT * FROM item",
        "CREATE VIEW recent AS SELECT * FROM item",
        "CREATE PROCEDURE twice(IN n INT) SELECT n * 2",
        "CALL twice(21)",
        "CREATE TRIGGER stamp BEFORE INSERT ON item FOR EACH ROW SET NEW.at = NOW()",
        "START TRANSACTION",
        "DELETE FROM item",
        "ROLLBACK",
        "LOCK TABLES item WRITE",
        "UNLOCK TABLES",
        "ALTER TABLE item ADD COLUMN more TEXT",
        "ANALYZE TABLE item",
        "DROP TABLE part",
        "DROP TABLE item",
    ),
    "redis": (
        "SET key value EX 100",
        "SELECT 1",
        "SET other value",
        "FLUSHDB",
        "SELECT 0",
        "RPUSH list 3 1 2",
        "SORT list",
        "KEYS *",
        "SCAN 0",
        "EVAL return(1) 0",
        "XADD stream * field value",
        "PUBLISH channel message",
        "INFO",
        "CLIENT LIST",
        "MULTI",
        "INCR number",
        "EXEC",
        "GETDEL key",
    ),
}

# For psql, mariadb and redis-cli.
ASKED = {
    "postgresql": (("-Atc", "SELECT 6 * 7"), "42"),
    "mysql": (("-BNe", "SELECT 6 * 7"), "42"),
    "redis": (("PING",), "PONG"),
}


@dataclass(frozen=True)
class Served:
    """One database of the platform, and everything that tells of it."""

    platform: Platform
    technology: str
    version: str
    connection: wire.Connection

    @property
    def url(self) -> str:
        return self.connection.url

    @property
    def process(self) -> Process:
        return self.platform.server(self.connection.port)

    def tenant(self) -> Tenant:
        return tenants.connect(self.technology, self.url)


@pytest.fixture(scope="module")
def served() -> Iterator[Platform]:
    with platform() as made:
        yield made.start()


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda each: "-".join(each))
def database(request: pytest.FixtureRequest, served: Platform) -> Iterator[Served]:
    """One database for each server of the catalogue; in the end it is deleted, and nothing of it may be left."""
    technology, version = request.param
    require(technology, version)
    yield Served(served, technology, version, served.create(NAME, technology, version))
    served.delete(NAME)


@pytest.fixture
def execute(database: Served) -> Iterator[Execute]:
    """Runs one statement or command as the tenant."""
    if database.technology == "postgresql":
        with psycopg.connect(database.url, autocommit=True) as session:
            yield lambda statement: session.execute(statement.encode())
    elif database.technology == "mysql":
        with connect_mysql(database.url) as mysql, mysql.cursor() as cursor:
            yield cursor.execute
    else:
        with redis.Redis.from_url(database.url, single_connection_client=True) as client:
            yield lambda command: client.execute_command(*command.split())


class TestServer:
    def test_keeps_a_thousand_rows(self, database: Served) -> None:
        writing, reading = database.tenant(), database.tenant()
        writing.write_many(range(1000))
        assert reading.read() >= set(range(1000))
        writing.close()
        reading.close()

    def test_outlives_a_restart_of_the_platform(self, database: Served) -> None:
        tenant, before = database.tenant(), database.process
        database.platform.kill()
        tenant.write(1_000_000)
        database.platform.start()
        assert database.platform.await_usable(NAME) == database.connection
        assert database.process == before
        assert 1_000_000 in tenant.read()
        tenant.close()

    def test_that_is_killed_is_back_with_every_acknowledged_row(self, database: Served) -> None:
        before = database.process
        writer = Writer(database.technology, database.url, 2_000_000)
        writer.await_some()
        killed = time.monotonic()
        kill_processes([before])
        writer.join()
        tenants.await_answer(database.technology, database.url, BACK_SECONDS)
        assert database.platform.await_usable(NAME) == database.connection
        tenant = database.tenant()
        assert writer.lasting(killed) - tenant.read() == set()
        tenant.close()
        assert database.process != before

    def test_listens_on_loopback_only(self, database: Served) -> None:
        port = f"{database.connection.port:04X}"
        sockets = Path("/proc/net/tcp").read_text().splitlines() + Path("/proc/net/tcp6").read_text().splitlines()
        listening = {line.split()[1] for line in sockets[1:] if line.split()[3:4] == ["0A"]}
        assert {address for address in listening if address.endswith(f":{port}")} == {f"0100007F:{port}"}

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
    def test_runs_as_a_user_of_its_own_without_privileges(self, database: Served) -> None:
        status = Path(f"/proc/{database.process.pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        uid = str(200_000 + database.connection.port)
        assert fields["Uid"].split() == fields["Gid"].split() == [uid] * 4
        assert fields["Groups"].split() == []
        assert int(fields["CapEff"], 16) == int(fields["CapBnd"], 16) == 0
        assert fields["NoNewPrivs"] == "1"

    def test_has_no_secret_in_its_argv_or_environment(self, database: Served) -> None:
        process = database.process
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        assert database.connection.password not in " ".join(process.argv)
        assert database.connection.password.encode() not in environment


class TestTenant:
    def test_needs_its_password(self, database: Served) -> None:
        wrong = database.url.replace(database.connection.password, "wrong-password")
        with pytest.raises((psycopg.OperationalError, pymysql.OperationalError, redis.AuthenticationError)):
            tenants.connect(database.technology, wrong)

    def test_does_what_applications_do(self, database: Served, execute: Execute) -> None:
        more = ALLOWED_MORE.get((database.technology, database.version), ())
        for statement in (*ALLOWED[database.technology], *more):
            execute(statement)

    def test_does_nothing_else(self, database: Served, execute: Execute) -> None:
        database.tenant().close()  # makes the table that the statements name
        before = database.process
        done = [statement for statement in FORBIDDEN[database.technology] if is_done(execute, statement)]
        assert done == []
        assert processes.is_alive(before)

    def test_enters_no_other_database(self, database: Served) -> None:
        for other in OTHERS[database.technology]:
            with pytest.raises((psycopg.OperationalError, pymysql.OperationalError)):
                tenants.connect(
                    database.technology, database.url.replace(f"/{database.connection.database}", f"/{other}")
                )


LOCKOUTS = {
    "postgresql": (
        "ALTER DATABASE {me} CONNECTION LIMIT 0",
        "REVOKE ALL ON DATABASE {me} FROM {me}, PUBLIC",
        "DROP DATABASE {me} WITH (FORCE)",
        "ALTER DATABASE {me} SET local_preload_libraries = 'nothing'",
    ),
    "mysql": ("DROP DATABASE {me}",),
}


class TestRepair:
    def test_lets_in_who_has_locked_itself_out(self, database: Served) -> None:
        database.tenant().close()  # makes the table, which MariaDB loses with its database
        for statement in LOCKOUTS.get(database.technology, ()):
            lock_out(database, statement.format(me=database.connection.user))
            with pytest.raises(tenants.ERRORS):
                tenants.connect(database.technology, database.url).read()
            repair(database)
            tenant = database.tenant()
            tenant.read()
            tenant.close()


def repair(database: Served) -> None:
    with database.platform.client() as client:
        operation_id = client.repair(NAME).id

        def is_done() -> bool:
            return next(each for each in client.list_operations(NAME) if each.id == operation_id).status == "done"

        wait_for(is_done, database.platform.log, BACK_SECONDS)
        assert client.get_details(NAME).error is None


def lock_out(database: Served, statement: str) -> None:
    if database.technology == "postgresql":
        with psycopg.connect(database.url, dbname="postgres", autocommit=True) as session:
            session.execute(statement.encode())
    else:
        with connect_mysql(database.url) as mysql, mysql.cursor() as cursor:
            cursor.execute(statement)


class TestTls:
    def test_is_offered_and_proves_the_server(self, database: Served, tmp_path: Path) -> None:
        authority = tmp_path / "ca.pem"
        authority.write_text(database.connection.ca_certificate)
        if database.technology == "postgresql":
            strict = {"sslmode": "verify-full", "sslrootcert": str(authority)}
            with psycopg.connect(database.url, **strict) as session:  # type: ignore[arg-type]
                found = session.execute("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
                assert found == ("TLSv1.3",)
        elif database.technology == "mysql":
            with connect_mysql(database.url, authority=str(authority)) as mysql, mysql.cursor() as cursor:
                cursor.execute("SHOW STATUS LIKE 'Ssl_version'")
                assert cursor.fetchone() == ("Ssl_version", "TLSv1.3")
        else:
            pytest.skip("plain on loopback")


class TestPrograms:
    def test_of_the_command_line_connect(self, database: Served) -> None:
        """psql, mariadb or redis-cli, as `dbyard connect` finds them."""
        arguments, answer = ASKED[database.technology]
        argv = [sys.executable, "-m", "dbyard", "connect", NAME, *arguments]
        token = (database.platform.home / "admin-token").read_text().strip()
        environment = {**os.environ, "DBYARD_URL": database.platform.url, "DBYARD_TOKEN": token}
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout.strip()) == (0, answer), done.stderr


class TestDelete:
    def test_closes_the_port_whatever_is_connected(self, database: Served) -> None:
        """Another database beside the one that stays."""
        name = "contract-two"
        connection = database.platform.create(name, database.technology)
        tenant = tenants.connect(database.technology, connection.url)
        directory, process = database.platform.directory(connection.port), database.platform.server(connection.port)
        with database.platform.client() as client:
            client.delete_database(name, confirm=name)
        wait_for(lambda: not directory.exists(), database.platform.log, 30)
        assert not processes.is_alive(process)
        with pytest.raises(tenants.ERRORS):
            tenant.read()
        tenant.close()
        parts = urlsplit(connection.url)
        with socket.socket() as probe:
            assert probe.connect_ex((parts.hostname or "", parts.port or 0)) != 0
        survivor = database.tenant()
        survivor.close()


def is_done(execute: Execute, statement: str) -> bool:
    try:
        execute(statement)
    except (psycopg.Error, pymysql.Error, redis.ResponseError):
        return False
    return True
