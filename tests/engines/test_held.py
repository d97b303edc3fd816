"""Tenants that hold what `configure` needs: it ends them, or fails within seconds, and a start always succeeds."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pymongo
import pymysql
import pytest
import redis

from dbyard.engines import Reload
from dbyard.errors import DbyardError, NotReady, TemporaryError
from dbyard.model import Applied, Restriction
from tests.e2e.platforms import wait_for
from tests.engines.test_configure import reads, renew_password, url

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server

SECONDS = 20.0
"""A `configure` that is not back by then hangs; it gives up after a few."""
VERSIONS = {"postgresql": "17", "mysql": "9.7", "mariadb": "10.11", "redis": "7.0", "mongodb": "0.7", "influxdb": "1.6"}


def soon(call: Callable[[], object]) -> object:
    """What the call returns or raises, in time."""
    told: list[object] = []

    def run() -> None:
        try:
            told.append(call())
        except DbyardError as error:
            told.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert told, "it hangs"
    if isinstance(told[0], Exception):
        raise told[0]
    return told[0]


@pytest.fixture
def start(launch: Launch) -> Callable[..., Server]:
    def start(technology: str, **plan: int) -> Server:
        server = launch(technology, VERSIONS[technology], start=False)
        server.node = replace(server.node, plan=replace(server.node.plan, **plan))  # type: ignore[arg-type]
        server.start().configure()
        return server

    return start


def start_again(server: Server) -> None:
    """As the platform does after some attempts: kill it, configure it while nobody gets in, let the tenant in."""
    let_in(server, configure_hidden(server))


def configure_hidden(server: Server) -> Applied:
    assert server.process is not None
    os.killpg(server.process.pid, signal.SIGKILL)
    server.process.wait(SECONDS)
    server.node = replace(server.node, admin_only=True, hidden=True)
    server.start()

    def configure() -> object:
        try:
            return soon(lambda: server.configure(reset=True))
        except NotReady:  # which the platform tries again as well
            return None

    outcome = wait_for(configure, server.log, SECONDS)
    assert isinstance(outcome, Applied)
    return outcome


def let_in(server: Server, outcome: Applied) -> None:
    if outcome.hidden:
        server.restart(signum=signal.SIGKILL, admin_only=False, hidden=False)
        return
    server.update_files(admin_only=False, hidden=False)
    if isinstance(server.engine, Reload):
        server.engine.reload(server.endpoint, server.credentials.admin_password)


@contextmanager
def take_connections(server: Server, count: int) -> Iterator[None]:
    """Without a password, which the server still waits for."""
    wait_for(lambda: is_left(server.endpoint.port), lambda: "an earlier connection has not ended", SECONDS)
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(closing(socket.create_connection((server.endpoint.host, server.endpoint.port))))
        yield


@pytest.mark.parametrize("technology", ["postgresql", "mysql", "mariadb", "redis", "mongodb"])
def test_all_connections_taken_again_and_again(technology: str, start: Callable[..., Server]) -> None:
    """By somebody who is always quicker than the platform, and needs no password for it."""
    server = start(technology, connections=10)
    stopped, taken = threading.Event(), threading.Event()

    def take_again() -> None:
        while not stopped.is_set():
            with suppress(OSError), closing(socket.create_connection(where, timeout=1)) as taking:
                taken.set()
                while not stopped.is_set() and taking.recv(100):  # until the server ends it
                    pass
                stopped.wait(0.001)

    where = (server.endpoint.host, server.endpoint.port)
    thieves = [threading.Thread(target=take_again) for _ in range(150)]
    for thief in thieves:
        thief.start()
    try:
        assert taken.wait(SECONDS)
        renew_password(server)
        wait_for(lambda: is_shut_out(server), lambda: "the platform gets in", SECONDS)
        outcome = configure_hidden(server)
    finally:
        stopped.set()
        for thief in thieves:
            thief.join(SECONDS)
    let_in(server, outcome)
    wait_for(lambda: reads(server), server.log, SECONDS)


def is_left(port: int) -> bool:
    """Whether the server has ended its side of each connection: one that it still counts takes the place of a thief,
    and leaves it free a moment later.
    """
    established, close_wait = "01", "08"
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return not any(
        local.endswith(f":{port:04X}") and state in (established, close_wait) for _, local, _, state, *_ in sockets
    )


class TestPostgresql:
    @pytest.mark.parametrize(
        "statement",
        [
            "ALTER ROLE {user} PASSWORD 'mine'",
            "ALTER DATABASE {user} CONNECTION LIMIT 1000",
            "ALTER DATABASE {user} SET search_path = public",
            "CREATE TABLE t (i int); LOCK TABLE t",
        ],
    )
    @pytest.mark.parametrize("restriction", list(Restriction))
    def test_an_open_transaction_ends(
        self, start: Callable[..., Server], statement: str, restriction: Restriction
    ) -> None:
        server = start("postgresql")
        with psycopg.connect(url(server)) as thief:
            thief.execute(statement.format(user=server.credentials.user).encode())
            renew_password(server)
            assert soon(lambda: server.configure(restriction, reset=True)) == Applied()
            with pytest.raises(psycopg.OperationalError):
                thief.execute("SELECT 1")
        assert soon(server.configure) == Applied()
        assert reads(server)

    def test_closing_ends_an_open_transaction(self, start: Callable[..., Server]) -> None:
        server = start("postgresql")
        with closing(psycopg.connect(url(server))) as thief:
            thief.execute(f"ALTER DATABASE {server.credentials.user} CONNECTION LIMIT 1000".encode())
            assert soon(lambda: server.configure(Restriction.CLOSED)) == Applied()
        assert not reads(server)

    def test_a_session_that_does_not_end_is_told_and_a_start_ends_it(self, start: Callable[..., Server]) -> None:
        server = start("postgresql")
        with closing(psycopg.connect(url(server))) as thief:
            thief.execute(f"ALTER ROLE {server.credentials.user} PASSWORD 'mine'".encode())
            os.kill(thief.info.backend_pid, signal.SIGSTOP)  # as one that works and looks at no signal
            renew_password(server)
            with pytest.raises(TemporaryError, match=f"process {thief.info.backend_pid} of my_test") as held:
                soon(lambda: server.configure(reset=True))
            assert held.value.code == "held"
            os.kill(thief.info.backend_pid, signal.SIGKILL)  # a runtime kills all of an instance's processes
            start_again(server)
            assert reads(server)

    def test_a_lock_of_somebody_else_is_waited_for_a_second(self, start: Callable[..., Server]) -> None:
        """Another session of the platform's."""
        server = start("postgresql")
        with admin(server) as other, other.transaction():
            other.execute(f"ALTER ROLE {server.credentials.user} CONNECTION LIMIT 30".encode())
            with pytest.raises(TemporaryError, match="lock timeout") as held:
                soon(lambda: server.configure(reset=True))
        assert held.value.code == "held"

    def test_all_connections_taken(self, start: Callable[..., Server]) -> None:
        server = start("postgresql", connections=5)
        with ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(closing(psycopg.connect(url(server))))
            renew_password(server)
            assert soon(lambda: server.configure(reset=True)) == Applied()
        assert reads(server)

    def test_all_connections_taken_by_strangers(self, start: Callable[..., Server]) -> None:
        server = start("postgresql", connections=5)
        with take_connections(server, 100):
            renew_password(server)
            wait_for(lambda: is_held(server), lambda: "it is not held", SECONDS)
            server.engine.ping(server.endpoint, server.credentials)  # it is full, and works
            start_again(server)
            assert reads(server)

    def test_a_run_that_was_killed_half_way_leaves_no_lock(self, start: Callable[..., Server]) -> None:
        server = start("postgresql")
        name = server.credentials.user
        with closing(psycopg.connect(url(server))) as thief:
            thief.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 1000".encode())
            with admin(server) as half:
                half.execute(f"ALTER ROLE {name} NOLOGIN".encode())
            renew_password(server)
            assert soon(lambda: server.configure(reset=True)) == Applied()
        assert reads(server)

    def test_a_door_that_is_closed_first_keeps_out_whoever_comes_again_and_again(
        self, start: Callable[..., Server]
    ) -> None:
        server = start("postgresql")
        dsn, entered, stopped = url(server), threading.Event(), threading.Event()

        def come_again() -> None:
            while not stopped.is_set():
                try:
                    with closing(psycopg.connect(dsn)) as thief:
                        thief.execute(f"ALTER ROLE {server.credentials.user} PASSWORD 'mine'".encode())
                        entered.set()
                        thief.execute("SELECT pg_sleep(60)")
                except psycopg.Error:
                    continue

        thieves = [threading.Thread(target=come_again) for _ in range(4)]
        for thief in thieves:
            thief.start()
        try:
            assert entered.wait(SECONDS)
            renew_password(server)
            server.update_files(admin_only=True)
            server.engine.reload(server.endpoint, server.credentials.admin_password)  # type: ignore[attr-defined]
            assert soon(lambda: server.configure(reset=True)) == Applied()
            server.update_files(admin_only=False)
            server.engine.reload(server.endpoint, server.credentials.admin_password)  # type: ignore[attr-defined]
            assert reads(server)
        finally:
            stopped.set()
            for thief in thieves:
                thief.join(SECONDS)

    def test_what_a_tenant_leaves_there_does_not_mislead(self, start: Callable[..., Server]) -> None:
        server = start("postgresql")
        name = server.credentials.user
        with psycopg.connect(url(server), autocommit=True) as tenant:
            tenant.execute(
                "CREATE FUNCTION public.json_object_agg(name, bool) RETURNS json LANGUAGE sql AS 'SELECT NULL::json'"
            )
            tenant.execute("CREATE TABLE public.pg_roles (rolname name)")
            tenant.execute(f"ALTER ROLE {name} SET search_path = public, pg_catalog".encode())
            tenant.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        renew_password(server)
        assert server.configure(reset=True) == Applied()
        assert server.configure(Restriction.CLOSED) == Applied()


def admin(server: Server) -> psycopg.Connection:
    return psycopg.connect(
        host=server.endpoint.host,
        port=server.endpoint.port,
        user="dbyard",
        password=server.credentials.admin_password,
        dbname="postgres",
    )


@pytest.mark.parametrize("technology", ["mysql", "mariadb"])
class TestMysql:
    @pytest.mark.parametrize(
        "statements",
        [
            ["SET PASSWORD = {mine}"],
            ["CREATE TABLE t (i INT)", "LOCK TABLES t WRITE"],
            ["CREATE TABLE t (i INT)", "START TRANSACTION", "INSERT INTO t VALUES (1)"],
            ["SELECT GET_LOCK('mine', 1)"],
            ["CREATE TABLE t (i INT)", "XA START 'x'", "INSERT INTO t VALUES (1)", "XA END 'x'", "XA PREPARE 'x'"],
            ["CREATE TABLE t (i INT)", "LOCK TABLES t WRITE", "ALTER TABLE t ADD COLUMN j INT"],
        ],
    )
    @pytest.mark.parametrize("restriction", [Restriction.NONE, Restriction.CLOSED])
    def test_sessions_end(
        self, technology: str, start: Callable[..., Server], statements: list[str], restriction: Restriction
    ) -> None:
        server = start(technology)
        own_password = "'mine'" if technology == "mysql" else "PASSWORD('mine')"
        with closing(mysql(server)) as thief, thief.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement.format(mine=own_password))
            renew_password(server)
            assert soon(lambda: server.configure(restriction, reset=True)) == Applied()
            with pytest.raises(pymysql.Error):
                cursor.execute("SELECT 1")
        assert soon(server.configure) == Applied()
        assert reads(server)

    def test_a_statement_that_runs_for_ever_ends(self, technology: str, start: Callable[..., Server]) -> None:
        server = start(technology)
        thief = mysql(server)

        def run() -> None:
            with pytest.raises(pymysql.Error), thief.cursor() as cursor:
                cursor.execute("SELECT benchmark(1000000000000, md5('x'))")

        running = threading.Thread(target=run)
        running.start()
        renew_password(server)
        assert soon(lambda: server.configure(reset=True)) == Applied()
        running.join(SECONDS)
        assert not running.is_alive()
        assert reads(server)

    def test_all_connections_taken(self, technology: str, start: Callable[..., Server]) -> None:
        server = start(technology, connections=5)
        with ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(closing(mysql(server)))
            renew_password(server)
            assert soon(lambda: server.configure(reset=True)) == Applied()
        assert reads(server)

    def test_all_connections_taken_by_strangers(self, technology: str, start: Callable[..., Server]) -> None:
        server = start(technology, connections=5)
        with take_connections(server, 20):
            renew_password(server)
            wait_for(lambda: is_held(server), lambda: "it is not held", SECONDS)
            server.engine.ping(server.endpoint, server.credentials)  # it is full, and works
            start_again(server)
            assert reads(server)

    def test_many_connections_that_break_off_block_nobody(self, technology: str, start: Callable[..., Server]) -> None:
        """Where a server counts these (`max_connect_errors`), anybody could block an address for all."""
        server = start(technology)
        for _ in range(150):
            with closing(socket.create_connection((server.endpoint.host, server.endpoint.port))) as stranger:
                stranger.recv(100)
        assert reads(server)
        assert soon(server.configure) == Applied()

    def test_a_start_locks_everybody_out_before_the_first_connection(
        self, technology: str, start: Callable[..., Server]
    ) -> None:
        server = start(technology)
        server.stop()
        said: set[str] = set()
        stopped = threading.Event()

        def try_to_enter() -> None:
            while not stopped.is_set():
                try:
                    mysql(server).close()
                    said.add("in")
                except pymysql.Error as error:
                    said.add(str(error.args[0]))

        thieves = [threading.Thread(target=try_to_enter) for _ in range(4)]
        for thief in thieves:
            thief.start()
        server.node = replace(server.node, admin_only=True)
        server.start()
        wait_for(lambda: said & {"3118", "4151"}, lambda: str(said), SECONDS)  # the account is locked
        stopped.set()
        for thief in thieves:
            thief.join(SECONDS)
        assert "in" not in said


def mysql(server: Server) -> Any:
    return pymysql.connect(
        host=server.endpoint.host,
        port=server.endpoint.port,
        user=server.credentials.user,
        password=server.credentials.password,
        database=server.credentials.database,
        autocommit=True,
    )


class TestRedis:
    def test_a_script_that_runs_for_ever(self, start: Callable[..., Server]) -> None:
        server = start("redis")
        with redis.Redis.from_url(url(server), single_connection_client=True) as thief:
            connection = thief.connection
            assert connection is not None
            connection.send_command("EVAL", "while true do redis.call('SET', 'k', 1) end", 0)
            renew_password(server)
            with pytest.raises(NotReady, match="timed out"):
                soon(lambda: server.configure(reset=True))
            wait_for(lambda: is_held(server), lambda: "it is not held", SECONDS)
            start_again(server)
            assert reads(server)

    def test_all_connections_taken(self, start: Callable[..., Server]) -> None:
        server = start("redis", connections=10)
        with take_connections(server, 20):
            renew_password(server)
            wait_for(lambda: is_held(server), lambda: "it is not held", SECONDS)
            start_again(server)
            assert reads(server)

    def test_blocked_and_waiting_clients(self, start: Callable[..., Server]) -> None:
        server = start("redis")
        with ExitStack() as stack:
            for words in (("BLPOP", "k", 0), ("WAIT", 1, 0), ("XREAD", "BLOCK", 0, "STREAMS", "s", "$"), ("MULTI",)):
                thief = stack.enter_context(redis.Redis.from_url(url(server), single_connection_client=True))
                assert thief.connection is not None
                thief.connection.send_command(*words)
            renew_password(server)
            assert soon(lambda: server.configure(reset=True)) == Applied()
        assert reads(server)

    def test_answers_that_nobody_reads_take_no_more_memory_than_the_plan_has_beside_its_data(
        self, start: Callable[..., Server]
    ) -> None:
        server = start("redis", memory_mb=128)
        with redis.Redis.from_url(url(server)) as tenant, ExitStack() as stack:
            tenant.set("large", "x" * 1_000_000)
            for _ in range(10):
                greedy = stack.enter_context(
                    closing(socket.create_connection((server.endpoint.host, server.endpoint.port)))
                )
                greedy.settimeout(5)
                with suppress(OSError):
                    greedy.sendall(f"AUTH {server.credentials.user} {server.credentials.password}\r\n".encode())
                    greedy.sendall(b"GET large\r\n" * 50)
            wait_for(lambda: int(tenant.info("stats")["evicted_clients"]) > 0, server.log, SECONDS)
            assert tenant.info("memory")["used_memory"] < 160 << 20
            assert soon(lambda: server.configure()) == Applied()


def is_held(server: Server) -> bool:
    try:
        soon(lambda: server.configure(reset=True))
    except TemporaryError as error:
        return error.code == "held"
    except NotReady:
        return False
    return False


def is_shut_out(server: Server) -> bool:
    try:
        soon(lambda: server.configure(reset=True))
    except (TemporaryError, NotReady):
        return True
    return False


class TestMongodb:
    def test_an_expression_that_takes_for_ever(self, start: Callable[..., Server]) -> None:
        server = start("mongodb")
        with pymongo.MongoClient[dict[str, Any]](url(server), socketTimeoutMS=2000, retryReads=False) as thief:
            items = thief.get_default_database().items
            items.insert_one({"text": "a" * 40 + "!"})
            with pytest.raises(pymongo.errors.PyMongoError):
                items.find_one({"text": {"$regex": "^(a+)+$"}})
            renew_password(server)
            with pytest.raises(NotReady):
                soon(lambda: server.configure(reset=True))
        start_again(server)
        assert reads(server)

    def test_the_file_holds_for_the_next_login(self, start: Callable[..., Server]) -> None:
        server = start("mongodb")
        server.update_files(admin_only=True)
        assert not reads(server)
        server.engine.ping(server.endpoint, server.credentials)
        server.update_files(admin_only=False)
        assert reads(server)


class TestInfluxdb:
    def test_all_connections_taken(self, start: Callable[..., Server]) -> None:
        server = start("influxdb", connections=10)
        with take_connections(server, 20):
            renew_password(server)
            wait_for(lambda: is_held(server), lambda: "it is not held", SECONDS)
            server.engine.ping(server.endpoint, server.credentials)  # full by its tenant is not broken
            server.engine.check_login(server.endpoint, server.credentials)
            start_again(server)
            assert reads(server)

    def test_as_many_queries_as_there_may_be(self, start: Callable[..., Server]) -> None:
        """Each for as long as its client waits: they are read from a connection that nobody reads."""
        server = start("influxdb", connections=40)
        user, password = server.credentials.user, server.credentials.password
        line = "\n".join(f"m v={number} {number}" for number in range(1, 20_000))
        who = f"u={user}&p={password}&db={server.credentials.database}"
        send(server, f"POST /write?{who} HTTP/1.1", line).close()
        with ExitStack() as stack:
            for _ in range(30):
                query = "SELECT%20*%20FROM%20" + ",".join(["m"] * 200)
                stack.enter_context(
                    closing(send(server, f"GET /query?{who}&chunked=true&chunk_size=1&q={query} HTTP/1.1"))
                )
            renew_password(server)
            assert soon(lambda: server.configure(reset=True)) == Applied()
        assert reads(server)


def send(server: Server, request: str, body: str = "") -> socket.socket:
    """A request whose answer nobody reads; with a body the answer is waited for."""
    connection = socket.create_connection((server.endpoint.host, server.endpoint.port), timeout=SECONDS)
    connection.sendall(f"{request}\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    if body:
        assert b" 204 " in connection.recv(4096)
    return connection


def test_the_error_says_by_what(start: Callable[..., Server]) -> None:
    server = start("redis", connections=10)
    with take_connections(server, 20):
        wait_for(lambda: is_held(server), lambda: "it is not held", SECONDS)
        with pytest.raises(TemporaryError) as held:
            server.configure()
        assert re.search("max number of clients", str(held.value))
