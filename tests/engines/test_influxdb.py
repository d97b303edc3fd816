"""The InfluxDB engine: what it renders as values, and what it makes of a real server."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from dbyard import installations
from dbyard.engines import influxdb as engine
from dbyard.engines.influxdb.access import Observed, plan_statements, read_hours
from dbyard.engines.influxdb.session import ask, rows
from dbyard.engines.influxdb.settings import retention_hours, shard_hours
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import (
    MIB,
    Address,
    Certificate,
    Count,
    Credentials,
    InstanceSpec,
    Layout,
    Plan,
    RenderInput,
    Restriction,
)
from tests.engines.desired import desire

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server

DATA, CONF, LOG, RUN, BIN, ROOT = (Path(name) for name in ("/i/data", "/i/conf", "/i/log", "/i/run", "/e/bin", "/e"))
LAYOUT = Layout("127.0.0.1", 20001, 20002, DATA, CONF, LOG, RUN, BIN, ROOT, full_version="1.6.7")
CREDENTIALS = Credentials(
    "admin-secret-0123456789", "app_1234", "tenant-secret-0123", "app_1234", Certificate("CERT", "KEY", "CA")
)
ESCAPES = [
    "CREATE DATABASE other",
    "DROP DATABASE app",
    "SHOW USERS",
    "CREATE USER mallory WITH PASSWORD 'x' WITH ALL PRIVILEGES",
    "GRANT ALL PRIVILEGES TO {user}",
    "SET PASSWORD FOR dbyard = 'x'",
    "SHOW GRANTS FOR dbyard",
    "SHOW STATS",
    "SHOW DIAGNOSTICS",
    "SHOW SHARDS",
    "SHOW MEASUREMENTS ON other",
    "SELECT * FROM other..m",
    "SELECT v INTO other..m FROM m",
    "CREATE SUBSCRIPTION s ON {database}.autogen DESTINATIONS ALL 'http://127.0.0.1:9'",
    "KILL QUERY 1",
]


def plan(memory_mb: int = 256) -> Plan:
    return Plan("id", "plan", "Plan", "", "influxdb", memory_mb, 5120, 100, 1.0, 1)


def render(layout: Layout = LAYOUT, memory_mb: int = 256) -> InstanceSpec:
    return engine.render(RenderInput("i1", 1, plan(memory_mb), 96), layout, CREDENTIALS)


def configuration(spec: InstanceSpec) -> dict[str, Any]:
    (file,) = spec.files
    return tomllib.loads(file.content)


class TestRender:
    def test_is_pure(self) -> None:
        assert render() == render()

    def test_server(self) -> None:
        spec = render()
        assert spec.server.argv == ("/e/bin/influxd", "-config", "/i/conf/influxdb.conf")
        assert spec.server.env == {"GOMEMLIMIT": "256MiB", "GOMAXPROCS": "1"}
        assert spec.memory == 352 * MIB
        assert spec.server.stop_signal == signal.SIGTERM

    def test_all_data_lie_in_the_data_directory(self) -> None:
        told = configuration(render())
        paths = (told["meta"]["dir"], told["data"]["dir"], told["data"]["wal-dir"])
        assert paths == ("/i/data/meta", "/i/data/data", "/i/data/wal")

    def test_only_http_can_be_reached(self) -> None:
        told = configuration(render())
        assert told["http"]["bind-address"] == "127.0.0.1:20001"
        assert told["http"]["auth-enabled"] is True
        assert told["bind-address"] == "255.255.255.255:20002"

    def test_tells_its_makers_nothing_and_keeps_no_statistics(self) -> None:
        told = configuration(render())
        assert told["reporting-disabled"] is True
        assert told["monitor"]["store-enabled"] is False

    def test_limits_follow_the_plan(self) -> None:
        small, large = (configuration(render(memory_mb=size)) for size in (256, 1024))
        assert small["data"]["cache-max-memory-size"] == 64 * MIB
        for section, name in (
            ("data", "cache-max-memory-size"),
            ("data", "max-series-per-database"),
            ("data", "max-values-per-tag"),
            ("coordinator", "max-select-point"),
            ("coordinator", "max-select-series"),
        ):
            assert large[section][name] == 4 * small[section][name]
        assert small["http"]["max-connection-limit"] == 100

    @pytest.mark.parametrize(("full_version", "served"), [("1.6.7", False), ("1.8.10", True)])
    def test_profiles_are_served_only_where_a_password_guards_them(self, full_version: str, served: bool) -> None:
        told = configuration(render(replace(LAYOUT, full_version=full_version)))["http"]
        assert (told["pprof-enabled"], told["pprof-auth-enabled"]) == (served, True)

    def test_no_secret_is_in_argv_environment_or_clear_text(self) -> None:
        spec = render()
        (command,) = spec.init
        everything = [
            *spec.server.argv,
            *spec.server.env.values(),
            *(file.content for file in spec.files),
            *command.argv,
        ]
        everything.append(base64.b64decode(command.stdin).decode("latin-1"))
        for secret in (CREDENTIALS.admin_password, CREDENTIALS.password, "KEY"):
            assert not any(secret in text for text in everything)

    @pytest.mark.parametrize(("name", "tenant"), [("my-app", "my_app_1234"), ("1st-app", "db_1st_app_1234")])
    def test_tenant(self, name: str, tenant: str) -> None:
        assert engine.name_tenant(name, "1234") == (tenant, tenant)

    def test_url(self) -> None:
        url = engine.url(Address("127.0.0.1", 20001), CREDENTIALS)
        assert url == "http://app_1234:tenant-secret-0123@127.0.0.1:20001/app_1234"


class TestRetention:
    @pytest.mark.parametrize(
        ("value", "hours", "shard"),
        [("INF", 0, 168), ("1h", 1, 1), ("2d", 48, 1), ("30d", 720, 24), ("52w", 8736, 168)],
    )
    def test_files_are_as_long_as_the_server_itself_would_choose(self, value: str, hours: int, shard: int) -> None:
        assert retention_hours(value) == hours
        assert shard_hours(hours) == shard

    @pytest.mark.parametrize(("told", "hours"), [("0s", 0), ("720h0m0s", 720), ("1h30m0s", 1.5)])
    def test_what_the_server_says(self, told: str, hours: float) -> None:
        assert read_hours(told) == hours

    def test_a_policy_that_keeps_so_long_is_left_alone(self) -> None:
        observed = Observed(True, {"app_1234": "ALL PRIVILEGES"}, policies={"autogen": "720h0m0s"})
        assert plan_statements(observed, desire(CREDENTIALS, settings={"retention": "30d"})) == []

    def test_a_real_server_forgets_and_keeps_again(self, server: Server) -> None:
        def told() -> list[tuple[Any, ...]]:
            (found,) = ask(
                server.endpoint,
                server.credentials.password,
                [f'SHOW RETENTION POLICIES ON "{server.credentials.database}"'],
                5.0,
                server.credentials.user,
            )
            return [(row["name"], row["duration"], row["shardGroupDuration"], row["default"]) for row in rows(found)]

        server.configure()
        assert told() == [("autogen", "0s", "168h0m0s", True)]
        server.configure(settings={"retention": "30d"})
        server.configure(settings={"retention": "30d"})
        assert told() == [("autogen", "720h0m0s", "24h0m0s", True)]
        server.configure(Restriction.READ_ONLY, settings={"retention": "1h"})
        assert told() == [("autogen", "1h0m0s", "1h0m0s", True)]
        server.configure()
        assert told() == [("autogen", "0s", "168h0m0s", True)]


WEEK, BATCH = 7 * 24 * 3600 * 10**9, 500


def copy(server: Server) -> bytes:
    """As a job makes one."""
    tool = engine.render_backup(server.layout, server.credentials)
    for file in tool.files:
        (server.layout.run / file.path).write_text(file.content)
    return subprocess.run(tool.argv, cwd=server.layout.run, stdout=subprocess.PIPE, check=True).stdout


def restore(server: Server, stored: bytes) -> Server:
    server.stop()
    for path in server.layout.data.iterdir():
        shutil.rmtree(path)
    subprocess.run(engine.render_restore(server.layout).argv, input=stored, user=server.uid, check=True)
    return server.start()


def numbers(counts: Mapping[str, Count]) -> dict[str, int]:
    return {name: each.number for name, each in counts.items()}


def write_pairs(server: Server, stopping: threading.Event) -> None:
    written = 0
    with (tenant := connect(server)).http:
        while not stopping.is_set():
            for week in range(2):
                start = 1_700_000_000_000_000_000 + week * WEEK + written * BATCH
                lines = [f'week{week} v="{number}-{"x" * 200}" {start + number}' for number in range(BATCH)]
                assert tenant.write(lines).status_code == 204
            written += 1


class TestBackups:
    def test_are_of_one_moment_of_all_files(self, launch: Launch) -> None:
        """What is written first, into the file of one week, is there when what was written then is, into another's."""
        first, second = (launch("influxdb", "1.6").restart(plan=plan(64)) for _ in range(2))
        first.configure()
        stopping = threading.Event()
        writer = threading.Thread(target=write_pairs, args=(first, stopping))
        writer.start()
        try:
            copies = [copy(first)]
            while len(copies) < 20 or not list(first.layout.data.glob("data/*/*/*/*.tsm")):
                copies.append(copy(first))
        finally:
            stopping.set()
            writer.join()
        first.stop()
        for stored in copies[::5]:
            restore(second, stored)
            found = engine.count(second.endpoint, second.credentials)
            weeks = Counter({name.split(".")[2]: each.number for name, each in found.items()})
            assert weeks["week0"] - weeks["week1"] in (0, BATCH)

    def test_brings_users_and_series(self, launch: Launch, server: Server, tenant: Tenant) -> None:
        tenant.write(points(0, 1000))
        tenant.query("DROP SERIES FROM m WHERE host = 'h1'")
        stored, counted = copy(server), engine.count(server.endpoint, server.credentials)
        assert [each.number for each in counted.values()] == [900]
        server.stop()
        restored = restore(launch("influxdb", "1.6"), stored)
        engine.check_login(restored.endpoint, server.credentials)
        assert numbers(engine.count(restored.endpoint, server.credentials)) == numbers(counted)

    def test_counts_tell_what_was_written_to(self, server: Server, tenant: Tenant) -> None:
        tenant.write(points(0, 10))
        before = engine.count(server.endpoint, server.credentials)
        assert engine.count(server.endpoint, server.credentials) == before
        tenant.write(points(0, 10))
        after = engine.count(server.endpoint, server.credentials)
        assert numbers(after) == numbers(before)
        assert after != before


class TestPlanStatements:
    def test_everything_is_missing(self) -> None:
        statements = plan_statements(Observed(database=False, privileges={}), desire(CREDENTIALS))
        assert statements == [
            'CREATE DATABASE "app_1234"',
            "CREATE USER \"app_1234\" WITH PASSWORD 'tenant-secret-0123'",
            'GRANT ALL ON "app_1234" TO "app_1234"',
        ]

    def test_nothing_is_missing(self) -> None:
        assert plan_statements(Observed(True, {"app_1234": "ALL PRIVILEGES"}), desire(CREDENTIALS)) == []

    def test_quotes(self) -> None:
        odd = replace(CREDENTIALS, user='a"b', password="c'd\\e")
        statements = plan_statements(Observed(database=True, privileges={}), desire(odd))
        assert statements[0] == r"""CREATE USER "a\"b" WITH PASSWORD 'c\'d\\e'"""


class Tenant:
    """A client that has nothing but the URL."""

    def __init__(self, url: str, **changes: Any) -> None:
        self.url = httpx2.URL(url)
        self.http = httpx2.Client(
            base_url=f"http://{self.url.host}:{self.url.port}",
            auth=changes.pop("auth", (self.url.username, self.url.password)),
            params={"db": self.url.path.lstrip("/")},
            timeout=20,
            **changes,
        )

    def write(self, lines: list[str]) -> httpx2.Response:
        return self.http.post("/write", content="\n".join(lines))

    def query(self, text: str) -> httpx2.Response:
        return self.http.post("/query", data={"q": text})

    def count(self) -> int:
        (result,) = self.query("SELECT count(v) FROM m").json()["results"]
        return int(result["series"][0]["values"][0][1]) if "series" in result else 0


def points(first: int, count: int) -> list[str]:
    return [
        f"m,host=h{number % 10} v={number} {1_700_000_000_000_000_000 + number}"
        for number in range(first, first + count)
    ]


needs_1_8 = pytest.mark.skipif(
    installations.find("influxdb", "1.8") is None, reason="needs `dbyard engines install influxdb@1.8`"
)


@pytest.fixture
def server(launch: Launch) -> Server:
    server = launch("influxdb", "1.6")
    server.configure()
    return server


def connect(server: Server, **changes: Any) -> Tenant:
    return Tenant(engine.url(server.endpoint, server.credentials), **changes)


@pytest.fixture
def tenant(server: Server) -> Iterator[Tenant]:
    tenant = connect(server)
    with tenant.http:
        yield tenant


class TestTenant:
    def test_writes_reads_and_deletes(self, tenant: Tenant) -> None:
        assert tenant.write(points(0, 1000)).status_code == 204
        assert tenant.count() == 1000
        for statement in ("DELETE FROM m WHERE host = 'h0'", "DROP SERIES FROM m WHERE host = 'h1'"):
            assert tenant.query(statement).json() == {"results": [{"statement_id": 0}]}
        assert tenant.count() == 800

    def test_has_continuous_queries(self, tenant: Tenant) -> None:
        database = tenant.url.path.lstrip("/")
        made = tenant.query(
            f"CREATE CONTINUOUS QUERY q ON {database} BEGIN SELECT mean(v) INTO means FROM m GROUP BY time(1m) END"  # noqa: S608
        )
        assert made.json() == {"results": [{"statement_id": 0}]}
        assert "q" in tenant.query("SHOW CONTINUOUS QUERIES").text

    @pytest.mark.parametrize("statement", ESCAPES)
    def test_may_not_reach_beyond_its_database(self, tenant: Tenant, statement: str) -> None:
        names = {"user": tenant.url.username, "database": tenant.url.path.lstrip("/")}
        refused = tenant.query(statement.format(**names))
        assert refused.status_code == 403, refused.text
        assert "not authorized" in refused.text or "requires admin" in refused.text

    def test_sees_its_database_alone(self, server: Server, tenant: Tenant) -> None:
        server.configure(credentials=replace(server.credentials, user="other", database="other"))
        (result,) = tenant.query("SHOW DATABASES").json()["results"]
        assert result["series"][0]["values"] == [[server.credentials.database]]
        assert tenant.query("SELECT * FROM other..m").status_code == 403
        assert tenant.http.post("/write", params={"db": "other"}, content="m v=1").status_code == 403

    @pytest.mark.parametrize("auth", [None, "wrong"])
    def test_needs_its_password(self, server: Server, auth: str | None) -> None:
        user = server.credentials.user
        with connect(server, auth=auth and (user, auth)).http as http:
            for answer in (http.post("/query", data={"q": "SHOW DATABASES"}), http.post("/write", content="m v=1")):
                assert answer.status_code == 401

    def test_profiles_are_not_served(self, tenant: Tenant) -> None:
        assert tenant.http.get("/debug/pprof/heap", auth=None).status_code == 404

    def test_a_series_explosion_is_refused_with_its_cause(self, server: Server, tenant: Tenant) -> None:
        most = configuration(server.spec)["data"]["max-series-per-database"]
        for first in range(0, most + 10_000, 10_000):
            answer = tenant.write([f"m,id=i{number} v=1" for number in range(first, first + 10_000)])
        assert answer.status_code == 400
        assert "max-" in answer.json()["error"]
        assert "limit exceeded" in answer.json()["error"]
        assert most - 10_000 <= engine.stats(server.endpoint, server.credentials)["series"] <= most
        assert tenant.write(["m,id=i1 v=2"]).status_code == 204


class TestBackupPort:
    def test_nobody_gets_through(self, server: Server) -> None:
        port = server.layout.inner_port
        with Path("/proc/net/tcp").open() as table:
            assert any(line.split()[1:4:2] == [f"FFFFFFFF:{port:04X}", "0A"] for line in table), "it does not listen"
        for host in ("255.255.255.255", "127.0.0.1", "127.255.255.255", "0.0.0.0", socket.gethostname()):  # noqa: S104
            for broadcast in (0, 1):
                with socket.socket() as client:
                    client.settimeout(2)
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, broadcast)
                    with pytest.raises(OSError, match=r"refused|unreachable"):
                        client.connect((host, port))


class TestVersions:
    @pytest.mark.parametrize("version", ["1.6", pytest.param("1.8", marks=needs_1_8)])
    def test_points_survive_a_restart_and_a_kill(self, launch: Launch, version: str) -> None:
        server = launch("influxdb", version)
        server.configure()
        with (tenant := connect(server)).http:
            assert tenant.write(points(0, 1000)).status_code == 204
            assert server.stop() == 0
            server.start()
            assert tenant.count() == 1000
        acknowledged = write_until_killed(server)
        server.start()
        with (tenant := connect(server)).http:
            assert tenant.count() >= acknowledged

    @needs_1_8
    def test_debugging_wants_a_password_in_1_8(self, launch: Launch) -> None:
        server = launch("influxdb", "1.8")
        for path in ("/debug/vars", "/debug/pprof/heap", "/debug/requests"):
            assert httpx2.get(f"http://{server.endpoint.host}:{server.endpoint.port}{path}").status_code in (401, 404)


def write_until_killed(server: Server) -> int:
    """Points up to the last one that was acknowledged when the server died."""
    assert server.process is not None
    killer = threading.Timer(1.0, os.killpg, (server.process.pid, signal.SIGKILL))
    acknowledged = 1000
    with (tenant := connect(server)).http:
        killer.start()
        try:
            while tenant.write(points(acknowledged, 100)).status_code == 204:
                acknowledged += 100
        except httpx2.TransportError:
            pass
    killer.join()
    server.process.wait()
    assert acknowledged > 1000
    return acknowledged


class TestConfigure:
    def test_repeating_is_free(self, server: Server, tenant: Tenant) -> None:
        server.configure()
        assert tenant.write(points(0, 1)).status_code == 204

    @pytest.mark.parametrize("done", [0, 1, 2, 3])
    def test_goes_on_where_it_was_killed(self, launch: Launch, done: int) -> None:
        server = launch("influxdb", "1.6")
        missing = plan_statements(Observed(False, {}), desire(server.credentials))
        for statement in missing[:done]:
            ask(server.endpoint, server.credentials.admin_password, [statement], 15)
        server.configure()
        with (tenant := connect(server)).http:
            assert tenant.write(points(0, 1)).status_code == 204

    def test_a_refusal_is_worth_another_try(self, server: Server) -> None:
        with pytest.raises(TemporaryError, match="authorization failed"):
            server.configure(credentials=replace(server.credentials, admin_password="wrong"))

    def test_nobody_can_make_himself_the_admin(self, launch: Launch) -> None:
        server = launch("influxdb", "1.6")
        statement = "CREATE USER mallory WITH PASSWORD 'x' WITH ALL PRIVILEGES"
        url = f"http://{server.endpoint.host}:{server.endpoint.port}/query"
        assert httpx2.post(url, data={"q": statement}).status_code == 401


class TestRestrict:
    def test_read_only_and_back(self, server: Server, tenant: Tenant) -> None:
        tenant.write(points(0, 10))
        for _ in range(2):
            server.configure(Restriction.READ_ONLY)
        assert tenant.count() == 10
        refused = (tenant.write(points(10, 1)), tenant.query("SELECT v INTO n FROM m"), tenant.query("DELETE FROM m"))
        assert [answer.status_code for answer in refused] == [403, 403, 403]
        server.stop()
        server.start()
        assert tenant.write(points(10, 1)).status_code == 403
        server.configure(Restriction.NONE)
        assert tenant.write(points(10, 1)).status_code == 204

    def test_closed_and_back(self, server: Server, tenant: Tenant) -> None:
        tenant.write(points(0, 10))
        for _ in range(2):
            server.configure(Restriction.CLOSED)
        assert tenant.query("SELECT * FROM m").status_code == 403
        assert tenant.write(points(10, 1)).status_code == 403
        server.configure(Restriction.NONE)
        assert tenant.count() == 10

    def test_closing_ends_what_runs(self, server: Server, tenant: Tenant) -> None:
        tenant.write([f"m,host=h{number} v=1 1" for number in range(200)])
        buckets = "SELECT mean(v) AS x FROM m WHERE time >= 0 AND time < 250ms GROUP BY time(1u), host fill(0)"
        told: list[str] = []

        def ask() -> None:
            with (other := connect(server)).http:
                told.append(other.query(f"SELECT sum(x) FROM ({buckets})").text)  # noqa: S608

        asking = threading.Thread(target=ask)
        asking.start()
        deadline = time.monotonic() + 10
        while "sum(x)" not in tenant.query("SHOW QUERIES").text and not told and time.monotonic() < deadline:
            time.sleep(0.01)
        server.configure(Restriction.CLOSED)
        asking.join(15)
        assert "interrupted" in "".join(told), told


class TestStats:
    def test_counts(self, server: Server, tenant: Tenant) -> None:
        tenant.write(points(0, 1000))
        told = engine.stats(server.endpoint, server.credentials)
        assert (told["measurements"], told["series"], told["points_written"]) == (1, 10, 1000)
        assert all(isinstance(value, int | float) for value in told.values())

    def test_not_ready_where_nobody_listens(self) -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            address = Address(*closed.getsockname())
            for ask_server in (engine.stats, engine.ping):
                with pytest.raises(NotReady, match="refused"):
                    ask_server(address, CREDENTIALS)
            with pytest.raises(NotReady, match="refused"):
                engine.configure(address, CREDENTIALS.admin_password, desire(CREDENTIALS))


class TestPing:
    def test_a_stopped_server_is_not_ready_after_a_second(self, server: Server) -> None:
        assert server.process is not None
        server.process.send_signal(signal.SIGSTOP)
        await_standstill(server.process.pid)
        begun = time.monotonic()
        try:
            with pytest.raises(NotReady, match="timed out"):
                engine.ping(server.endpoint, server.credentials)
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert time.monotonic() - begun < 1.9

    def test_a_wrong_admin_password_is_not_ready(self, server: Server) -> None:
        with pytest.raises(NotReady, match="authorization failed"):
            engine.ping(server.endpoint, replace(server.credentials, admin_password="wrong"))

    def test_a_server_full_of_clients_is_ready(self, server: Server) -> None:
        with ExitStack() as stack:
            for _ in range(server.node.plan.connections - 1):
                stack.enter_context(connected(server))
            with pytest.raises(TemporaryError, match="no more connections") as full:
                take_the_rest(server, stack)
            assert full.value.code == "held"
            engine.ping(server.endpoint, server.credentials)


def take_the_rest(server: Server, stack: ExitStack) -> None:
    """Connections of before may still hold a place."""
    for _ in range(server.node.plan.connections):
        stack.enter_context(connected(server))
        server.configure()


def connected(server: Server) -> socket.socket:
    return socket.create_connection((server.endpoint.host, server.endpoint.port))


def await_standstill(pid: int) -> None:
    """Threads stop one after another."""
    states = [path / "stat" for path in Path(f"/proc/{pid}/task").iterdir()]
    deadline = time.monotonic() + 10
    while any(") T " not in path.read_text() for path in states):
        assert time.monotonic() < deadline
        time.sleep(0.01)


class TestServer:
    def test_keeps_its_argv_for_adoption(self, server: Server) -> None:
        assert server.process is not None
        argv = Path(f"/proc/{server.process.pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        assert tuple(argv) == server.spec.server.argv

    def test_leaves_no_secret_in_its_log(self, server: Server, tenant: Tenant) -> None:
        tenant.query("CREATE USER mallory WITH PASSWORD 'hunter2-hunter2'")
        tenant.http.get("/query", params={"q": "SHOW DATABASES", "u": "x", "p": "hunter2-hunter2"})
        assert "Listening on HTTP" in server.log()
        for secret in (server.credentials.password, server.credentials.admin_password, "hunter2"):
            assert secret not in server.log()
