"""The Redis engine: what it renders as values, and what it makes of a real server."""

from __future__ import annotations

import os
import signal
import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from dbyard.engines import redis as engine
from dbyard.engines.redis import rules
from dbyard.errors import NotReady
from dbyard.model import MIB, Address, Certificate, Credentials, InstanceSpec, Layout, Plan, RenderInput
from tests.e2e.platforms import wait_for
from tests.engines.desired import desire

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server

PATHS = [Path(name) for name in ("/i/data", "/i/conf", "/i/log", "/i/run", "/e/usr/bin", "/e")]
LAYOUT = Layout("127.0.0.1", 20001, 20002, *PATHS)
CREDENTIALS = Credentials(
    "admin-secret-0123456789", "default", "tenant-secret-0123", "0", Certificate("CERT", "KEY", "CA")
)

# What applications and their libraries send, and what reaches beyond the tenant's own data.
ALLOWED = [
    "SET k 1",
    "INCR k",
    "EXPIRE k 100",
    "KEYS *",
    "SCAN 0",
    "INFO",
    "ROLE",
    "DBSIZE",
    "SELECT 15",
    "CONFIG GET notify-keyspace-events",
    "CONFIG GET databases maxmemory-policy",
    "MODULE LIST",
    "ACL WHOAMI",
    "COMMAND",
    "MEMORY DOCTOR",
    "LPUSH l 3 1 2",
    "SORT l",
    "SORT l STORE m",
    "SORT_RO l",
    "EVAL return(redis.call('GET',KEYS[1])) 1 k",
    "SCRIPT LOAD return(1)",
    "FUNCTION LIST",
    "XADD s * a 1",
    "PUBLISH c m",
    "CLIENT SETNAME me",
    "CLIENT GETNAME",
    "CLIENT ID",
    "CLIENT INFO",
    "CLIENT LIST",
    "CLIENT TRACKING OFF",
    "MEMORY USAGE k",
    "OBJECT ENCODING k",
    "SLOWLOG GET",
    "TIME",
    "MULTI",
    "EXEC",
    "SWAPDB 0 1",
    "FLUSHDB",
    "FLUSHALL",
]
FORBIDDEN = [
    "CONFIG SET dir /tmp",
    "CONFIG SET notify-keyspace-events KEA",
    "CONFIG SET maxmemory-policy allkeys-lru",
    "CONFIG RESETSTAT",
    "CONFIG REWRITE",
    "DEBUG SLEEP 0",
    "SHUTDOWN",
    "MODULE LOADEX /tmp/x.so",
    "MODULE LOAD /tmp/x.so",
    "ACL LIST",
    "ACL SETUSER default nopass",
    "REPLICAOF 127.0.0.1 1",
    "SLAVEOF NO ONE",
    "FAILOVER",
    "SAVE",
    "BGSAVE",
    "BGREWRITEAOF",
    "SYNC",
    "PSYNC ? -1",
    "REPLCONF ack 1",
    "MONITOR",
    "MIGRATE 127.0.0.1 1 k 0 10",
    "CLUSTER RESET",
    "SCRIPT DEBUG YES",
    "SCRIPT DEBUG SYNC",
    "DEBUG SET-ACTIVE-EXPIRE 0",
    "PFDEBUG ENCODING k",
    "CLIENT PAUSE 1",
    "CLIENT NO-EVICT ON",
    "LATENCY RESET",
]


def plan(memory_mb: int = 256) -> Plan:
    return Plan("id", "plan", "Plan", "", "redis", memory_mb, 2048, 1000, 1.0, 1)


def render() -> InstanceSpec:
    return engine.render(RenderInput("i1", 1, plan(), 256), LAYOUT, CREDENTIALS)


class TestRender:
    def test_is_pure(self) -> None:
        assert render() == render()

    def test_argv_names_configuration_and_data(self) -> None:
        spec = render()
        assert spec.server.argv == ("/e/usr/bin/redis-server", "/i/conf/redis.conf", "--dir", "/i/data")
        (prepare,) = spec.init
        assert prepare.argv[-1] == "/i/data/appendonlydir"
        assert spec.server.stop_signal == signal.SIGTERM
        assert spec.memory == 512 * MIB
        assert spec.server.address_space is None

    def test_configuration(self) -> None:
        (file,) = render().files
        assert {
            "port 20001",
            "appendonly yes",
            "appendfsync everysec",
            "maxmemory 256mb",
            'maxmemory-policy "noeviction"',
            'notify-keyspace-events ""',
            "databases 16",
            "maxclients 1000",
            "set-proc-title no",
            "repl-diskless-sync-delay 0",
        } <= set(file.content.splitlines())

    def test_no_secret_is_in_argv_environment_or_clear_text(self) -> None:
        spec = render()
        everything = [*spec.server.argv, *spec.server.env.values(), *(file.content for file in spec.files)]
        for secret in (CREDENTIALS.admin_password, CREDENTIALS.password, "KEY"):
            assert not any(secret in text for text in everything)

    def test_every_tenant_is_the_default_user_of_the_first_database(self) -> None:
        assert engine.name_tenant("my-redis-db", "1234") == ("default", "0")

    def test_url(self) -> None:
        url = engine.url(Address("127.0.0.1", 20001), CREDENTIALS)
        assert url == "redis://default:tenant-secret-0123@127.0.0.1:20001/0"


@pytest.fixture
def server(launch: Launch) -> Server:
    return launch("redis", "7.0")


def connect(server: Server, **changes: Any) -> redis.Redis:
    return redis.Redis.from_url(engine.url(server.endpoint, server.credentials), socket_timeout=5, **changes)


class TestTenant:
    def test_may_do_what_applications_do(self, server: Server) -> None:
        server.configure()
        with connect(server, single_connection_client=True) as client:
            for command in ALLOWED:
                client.execute_command(*command.split(" "))

    @pytest.mark.parametrize("command", FORBIDDEN)
    def test_may_not_reach_beyond_its_data(self, server: Server, command: str) -> None:
        with connect(server) as client, pytest.raises(redis.ResponseError, match=r"no permissions|not allowed"):
            client.execute_command(*command.split(" "))

    def test_subscribes(self, server: Server) -> None:
        with connect(server) as client, client.pubsub() as pubsub:
            pubsub.subscribe("news")
            assert pubsub.get_message(timeout=5) is not None
            client.publish("news", "hello")
            message = pubsub.get_message(timeout=5)
        assert message is not None
        assert message["data"] == b"hello"

    def test_restores_what_it_dumped(self, server: Server) -> None:
        with connect(server) as client:
            client.rpush("l", 1, 2, 3)
            dumped = client.execute_command("DUMP", "l", NEVER_DECODE=True)
            client.restore("copy", 0, dumped)
            assert client.lrange("copy", 0, -1) == [b"1", b"2", b"3"]

    @pytest.mark.parametrize("username", [None, "default"])
    def test_gets_in_with_and_without_a_user_name(self, server: Server, username: str | None) -> None:
        host, port = server.endpoint.host, server.endpoint.port
        with redis.Redis(host, port, username=username, password=server.credentials.password) as client:
            assert client.ping()

    @pytest.mark.parametrize("password", [None, "wrong"])
    def test_needs_its_password(self, server: Server, password: str | None) -> None:
        with (
            redis.Redis(server.endpoint.host, server.endpoint.port, password=password) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()

    def test_fills_its_memory_and_goes_on_reading(self, server: Server) -> None:
        chunk = b"x" * (8 * MIB)

        def fill(client: redis.Redis) -> None:
            for number in range(server.node.plan.memory_mb):
                client.set(f"k{number}", chunk)

        with connect(server) as client:
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                fill(client)
            assert client.strlen("k0") == len(chunk)
            client.flushall()
            client.set("k0", "small")


class TestClients:
    def test_redis_cli_takes_the_url(self, server: Server) -> None:
        url = engine.url(server.endpoint, server.credentials)
        cli = str(server.layout.bin / "redis-cli")
        assert server.run(cli, "--no-auth-warning", "-u", url, "SET", "k", "1") == "OK\n"

    def test_redis_cli_takes_the_password_alone(self, server: Server) -> None:
        cli = str(server.layout.bin / "redis-cli")
        env = {"REDISCLI_AUTH": server.credentials.password}
        assert server.run(cli, "-p", str(server.endpoint.port), "PING", env=env) == "PONG\n"


class TestConfigure:
    def test_repeating_is_free(self, server: Server) -> None:
        server.configure()
        server.configure()


class TestSettings:
    @pytest.fixture
    def chosen(self, server: Server) -> Server:
        server.node = replace(server.node, plan=plan(16))
        server.restart(settings={"maxmemory-policy": "allkeys-lru", "notify-keyspace-events": "Egx"})
        server.configure()
        return server

    def test_are_in_the_configuration(self) -> None:
        node = RenderInput("i1", 1, plan(), 256, settings={"maxmemory-policy": "volatile-ttl"})
        (file,) = engine.render(node, LAYOUT, CREDENTIALS).files
        assert 'maxmemory-policy "volatile-ttl"' in file.content.splitlines()

    def test_by_default_a_full_server_refuses_and_tells_of_no_key(self, server: Server) -> None:
        server.configure()
        with connect(server) as client:
            told = client.config_get("maxmemory-policy", "notify-keyspace-events")
        assert told == {"maxmemory-policy": "noeviction", "notify-keyspace-events": ""}

    def test_old_keys_make_room(self, chosen: Server) -> None:
        with connect(chosen) as client:
            for number in range(300):
                client.set(f"cache:{number}", "x" * 100_000, ex=3600)
            assert client.info("stats")["evicted_keys"] > 0
            assert client.get("cache:299") is not None

    def test_a_key_that_expires_is_told(self, chosen: Server) -> None:
        with connect(chosen) as client, client.pubsub() as listener:
            assert set(client.config_get("notify-keyspace-events")["notify-keyspace-events"]) == set("Egx")
            listener.psubscribe("__keyevent@0__:expired")
            assert listener.get_message(timeout=5) is not None
            client.set("short", "1", px=10)
            message = listener.get_message(timeout=5)
        assert message is not None
        assert (message["type"], message["data"]) == ("pmessage", b"short")

    def test_stay_over_a_restart_and_go_back(self, chosen: Server) -> None:
        chosen.restart()
        with connect(chosen) as client:
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
            chosen.configure(settings={})
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}

    def test_nothing_that_config_tells_is_a_secret(self, server: Server) -> None:
        server.configure()
        with connect(server) as client:
            told = str(client.config_get("*"))
        secrets = (server.credentials.password, server.credentials.admin_password)
        hashes = [rules.password_hash(secret)[1:] for secret in secrets]
        assert not any(secret in told for secret in (*secrets, *hashes))


class TestPing:
    def test_refused_at_once_where_nobody_listens(self) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            endpoint = Address(*closed.getsockname())
            with pytest.raises(NotReady, match="refused"):
                engine.ping(endpoint, CREDENTIALS)
            with pytest.raises(NotReady, match="refused"):
                engine.configure(endpoint, CREDENTIALS.admin_password, desire(CREDENTIALS))

    def test_a_stopped_server_is_not_ready_after_a_second(self, server: Server) -> None:
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        try:
            with pytest.raises(NotReady, match="timed out"):
                engine.ping(server.endpoint, server.credentials)
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert time.monotonic() - begun < 1.9

    def test_a_wrong_admin_password_is_not_ready(self, server: Server) -> None:
        with pytest.raises(NotReady, match="invalid username-password"):
            engine.ping(server.endpoint, replace(server.credentials, admin_password="wrong"))

    def test_a_server_full_of_clients_is_ready(self, server: Server) -> None:
        taken = [
            socket.create_connection((server.endpoint.host, server.endpoint.port))
            for _ in range(server.node.plan.connections)
        ]
        engine.ping(server.endpoint, server.credentials)
        for client in taken:
            client.close()


class TestServer:
    def test_keeps_its_argv_for_adoption(self, server: Server) -> None:
        assert server.process is not None
        argv = Path(f"/proc/{server.process.pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        assert tuple(argv) == server.spec.server.argv

    def test_starts_from_the_files_that_were_prepared(self, server: Server) -> None:
        made = {path.name for path in (server.layout.data / "appendonlydir").iterdir()}
        assert made == {"appendonly.aof.manifest", "appendonly.aof.1.incr.aof"}

    def test_acknowledged_keys_survive_a_kill(self, server: Server) -> None:
        with connect(server) as client:
            for number in range(1000):
                client.set(f"k{number}", number)
            wait_for(lambda: client.info("persistence")["aof_buffer_length"] == 0, server.log, 10)
        assert server.process is not None
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        server.start()
        with connect(server) as client:
            assert client.dbsize() == 1000

    def test_stops_by_its_signal_and_keeps_its_keys(self, server: Server) -> None:
        with connect(server) as client:
            client.set("k", 1)
        assert server.stop() == 0
        server.start()
        with connect(server) as client:
            assert client.get("k") == b"1"

    def test_writes_its_own_log_and_leaves_no_secret_in_it(self, server: Server) -> None:
        server.configure()
        assert "Ready to accept connections" in (server.layout.log / "server.log").read_text()
        for secret in (server.credentials.password, server.credentials.admin_password):
            assert secret not in server.log()
