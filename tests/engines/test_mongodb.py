"""The MongoDB engine: what it renders as values, and what it makes of a real SecantusDB."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pymongo
import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect, ClientBulkWriteException, OperationFailure, PyMongoError

import dbyard
from dbyard.engines import mongodb
from dbyard.engines.mongodb import session, users
from dbyard.engines.mongodb.mongod import system_key
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import MIB, Address, Certificate, Credentials, InstanceSpec, Layout, Plan, RenderInput, Restriction
from tests.e2e.platforms import wait_for
from tests.engines.desired import desire

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server

    Client = MongoClient[dict[str, Any]]

PATHS = [Path(name) for name in ("/i/data", "/i/conf", "/i/log", "/i/run", "/e/bin", "/e")]
CREDENTIALS = Credentials(
    "admin-secret-0123456789", "my_db_1234", "tenant-secret-0123", "my_db_1234", Certificate("CERT", "KEY", "CA")
)
LAYOUT = Layout("127.0.0.1", 20000, 20001, *PATHS)
ROLES = [{"role": "readWrite", "db": "my_db_1234"}, {"role": "dbyardTenant", "db": "my_db_1234"}]
READ_WRITE = {"user": "my_db_1234", "roles": ROLES}
UNAUTHORIZED = 13
REFUSED = {UNAUTHORIZED, 9, 59, 73}  # …, not understood, unknown command, no such namespace


def plan(memory_mb: int = 256, connections: int = 64) -> Plan:
    return Plan("id", "plan", "Plan", "", "mongodb", memory_mb, 5120, connections, 1.0, 1)


def render(full_version: str = "secantusdb-0.7.0b3", of: Plan | None = None) -> InstanceSpec:
    layout = replace(LAYOUT, full_version=full_version)
    return mongodb.render(RenderInput("i1", 1, of or plan(), 192), layout, CREDENTIALS)


def content(spec: InstanceSpec, name: str) -> str:
    return next(file.content for file in spec.files if file.path.name == name)


class TestNameTenant:
    def test_user_and_database_bear_the_name(self) -> None:
        assert mongodb.name_tenant("my-db", "1234") == ("my_db_1234", "my_db_1234")

    def test_the_longest_name_fits(self) -> None:
        assert len(mongodb.name_tenant("x" * 48, "1234")[1]) <= 63


class TestRenderSecantusDB:
    def test_is_pure(self) -> None:
        assert render() == render()

    def test_argv(self) -> None:
        spec = render()
        assert spec.server.argv[:3] == ("/usr/bin/python3", "-sP", "/i/conf/serve.py")
        assert spec.server.argv[3:7] == ("/i/log/server.log", "dbyard", "64", "/i/conf/access")
        assert spec.server.argv[7:] == ("--config", "/i/conf/secantusd.toml", "--auth", "--sync-on-commit")
        assert spec.server.env["PYTHONPATH"] == "/e/lib"

    def test_limits(self) -> None:
        spec = render()
        assert (spec.memory, spec.server.address_space) == (448 * MIB, None)
        assert spec.pids == 64 * 3 + 64
        assert (spec.server.stop_signal, spec.disk) == (signal.SIGTERM, 5120 * MIB)

    def test_configuration(self) -> None:
        settings = tomllib.loads(content(render(of=plan(1024)), "secantusd.toml"))
        assert settings["server"]["auth"] is True
        assert settings["server"]["port"] == 20000
        assert settings["server"]["storage_path"] == "/i/data/db"
        assert settings["storage"] == {"cache_size": "512M", "session_max": 1000, "sync_on_commit": True}

    def test_the_first_admin_is_made_before_anybody_can_connect(self) -> None:
        (command,) = render().init
        assert command.argv == ("/usr/bin/python3", "-sP", "/i/conf/first_admin.py")
        order = {"path": "/i/data/db", "user": "dbyard", "password": CREDENTIALS.admin_password}
        assert json.loads(command.stdin) == order

    def test_no_secret_is_in_argv_environment_or_files(self) -> None:
        spec = render()
        everything = [
            *spec.server.argv,
            *spec.server.env.values(),
            *spec.init[0].argv,
            *(file.content for file in spec.files),
        ]
        for secret in (CREDENTIALS.admin_password, CREDENTIALS.password, "KEY"):
            assert not any(secret in text for text in everything)

    def test_its_packages_are_imported_by_its_own_programs_only(self) -> None:
        root = Path(dbyard.__file__).parent
        importers = {path.name for path in root.rglob("*.py") if "secantus" in _imported(path)}
        assert importers == {"first_admin.py", "serve.py"}


class TestRenderMongod:
    """As its manual describes it: no real mongod was there to run any of it."""

    def test_argv_and_init(self) -> None:
        spec = render("mongod-8.0.4")
        assert spec.server.argv == ("/e/bin/mongod", "--config", "/i/conf/mongod.yaml")
        assert [command.argv for command in spec.init] == [
            ("/usr/bin/install", "-m", "600", "/i/conf/keyfile", "/i/data/keyfile")
        ]

    def test_configuration(self) -> None:
        settings = json.loads(content(render("mongod-8.0.4", plan(2048, 256)), "mongod.yaml"))
        assert settings["net"] == {
            "bindIp": "127.0.0.1",
            "port": 20000,
            "maxIncomingConnections": 264,
            "unixDomainSocket": {"enabled": False},
        }
        assert settings["security"] == {"authorization": "enabled", "keyFile": "/i/data/keyfile"}
        assert settings["setParameter"]["enableLocalhostAuthBypass"] is False
        assert settings["storage"]["wiredTiger"]["engineConfig"]["cacheSizeGB"] == 1.0
        assert settings["replication"]["replSetName"] == "dbyard"

    def test_the_key_is_base64_and_not_the_password(self) -> None:
        key = content(render("mongod-8.0.4"), "keyfile")
        assert key == system_key(CREDENTIALS.admin_password) + "\n"
        assert CREDENTIALS.admin_password not in key
        assert 6 <= len(key) <= 1024

    def test_servers_do_not_share_files(self) -> None:
        names = [{file.path.name for file in render(full).files} for full in ("mongod-8.0.4", "secantusdb-0.7.0b3")]
        assert not names[0] & names[1]


class TestUrl:
    def test_names_database_and_direct_connection(self) -> None:
        url = mongodb.url(Address("127.0.0.1", 20000), CREDENTIALS)
        expected = "mongodb://my_db_1234:tenant-secret-0123@127.0.0.1:20000/my_db_1234?directConnection=true"
        assert url == expected


class TestPlanCommands:
    def commands(self, user: dict[str, Any] | None, restriction: Restriction, has_role: bool = True) -> list[str]:
        desired = desire(CREDENTIALS, plan(), restriction)
        return [next(iter(each)) for each in users.plan_commands(desired.users[0], user, has_role, desired)]

    def test_nothing_is_left_to_do_for_what_is_there(self) -> None:
        assert self.commands(READ_WRITE, Restriction.NONE) == []
        assert self.commands(None, Restriction.CLOSED) == []

    def test_the_tenant_never_owns_its_database(self) -> None:
        desired = desire(CREDENTIALS)
        role, command = users.plan_commands(desired.users[0], None, False, desired)
        assert role["privileges"] == [{"resource": {"db": "my_db_1234", "collection": ""}, "actions": ["dropDatabase"]}]
        assert command["roles"] == ROLES
        assert command["mechanisms"] == ["SCRAM-SHA-256"]

    def test_each_restriction(self) -> None:
        assert self.commands(READ_WRITE, Restriction.READ_ONLY, has_role=False) == [
            *("createRole", "dropUser", "createUser")
        ]
        assert self.commands(READ_WRITE, Restriction.READ_ONLY) == ["dropUser", "createUser"]
        assert self.commands(READ_WRITE, Restriction.CLOSED) == ["dropUser"]
        assert self.commands(None, Restriction.NONE) == ["createUser"]
        assert self.commands(None, Restriction.READ_ONLY) == ["createUser"]


# ---- a real SecantusDB ------------------------------------------------------------------------------------------


@pytest.fixture
def server(launch: Launch) -> Server:
    return launch("mongodb", "0.7")


@pytest.fixture
def secured(server: Server) -> Server:
    server.configure()
    return server


@contextmanager
def connect(server: Server, **options: Any) -> Iterator[Client]:
    url = mongodb.url(server.endpoint, server.credentials)
    with MongoClient(url, **{"serverSelectionTimeoutMS": 5000, **options}) as connected:
        yield connected


@contextmanager
def connect_without_login(server: Server) -> Iterator[Client]:
    connected: Client = MongoClient(server.endpoint.host, server.endpoint.port, directConnection=True)
    with connected:
        yield connected


@contextmanager
def as_admin(server: Server) -> Iterator[Client]:
    with session.admin(server.endpoint, server.credentials.admin_password, 10) as connected:
        yield connected


def restrict(server: Server, restriction: Restriction) -> None:
    server.configure(restriction)


@contextmanager
def writing_archive(server: Server) -> Iterator[subprocess.Popen[bytes]]:
    """As a job does it."""
    tool = mongodb.render_backup(server.layout, server.credentials)
    for file in tool.files:
        (server.layout.run / file.path).write_text(file.content)
    with subprocess.Popen(
        tool.argv,
        cwd=server.layout.run,
        env=tool.env,
        user=server.uid,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as job:
        assert job.stdin is not None
        job.stdin.write(tool.stdin.encode())
        job.stdin.close()
        yield job


def output_of(job: subprocess.Popen[bytes]) -> bytes:
    assert job.stdout is not None
    found = job.stdout.read()
    assert job.wait() == 0
    return found


def restore(server: Server, stored: bytes) -> Server:
    server.stop()
    shutil.rmtree(server.layout.data / "db")
    subprocess.run(mongodb.render_restore(server.layout).argv, input=stored, user=server.uid, check=True)
    return server.start()


def write_pairs(server: Server, stopping: threading.Event, written: list[int]) -> None:
    with connect(server) as mine:
        database = mine.get_default_database()
        while not stopping.is_set():
            database.first.insert_one({"text": "x" * 10_000})
            database.second.insert_one({})
            written[0] += 1


def await_more(written: list[int], count: int) -> None:
    wanted = written[0] + count
    wait_for(lambda: written[0] >= wanted, lambda: f"only {written[0]} were written", 30)


class TestBackups:
    def test_let_others_write_and_are_of_one_moment(self, launch: Launch, secured: Server) -> None:
        """What is in the second collection was written to the first one before."""
        stopping, written = threading.Event(), [0]
        writer = threading.Thread(target=write_pairs, args=(secured, stopping, written))
        writer.start()
        try:
            await_more(written, 50)
            with writing_archive(secured) as job:
                assert job.stdout is not None
                begun = job.stdout.read(1)
                await_more(written, 50)
                stored = begun + output_of(job)
        finally:
            stopping.set()
            writer.join()
        secured.stop()
        restored = restore(launch("mongodb", "0.7"), stored)
        mongodb.check_login(restored.endpoint, secured.credentials)
        counts = mongodb.count(restored.endpoint, secured.credentials)
        numbers = Counter({name.rpartition(".")[2]: each.number for name, each in counts.items()})
        assert numbers["first"] - numbers["second"] in (0, 1)
        assert 50 <= numbers["second"] < written[0]

    def test_that_are_killed_leave_a_server_that_makes_others(self, secured: Server) -> None:
        with connect(secured) as mine:
            mine.get_default_database().items.insert_many([{"text": "x" * 1000} for _ in range(3000)])
            for _ in range(2):
                with writing_archive(secured) as job:
                    assert job.stdout is not None
                    job.stdout.read(1)
                    job.kill()
                mine.get_default_database().items.insert_one({})
        with writing_archive(secured) as job:
            assert b"WiredTiger" in output_of(job)
        assert [each.name for each in secured.layout.data.iterdir()] == ["db"]

    def test_counts_tell_what_was_written_to(self, secured: Server) -> None:
        with connect(secured) as mine:
            items = mine.get_default_database().items
            items.insert_many([{"_id": number} for number in range(10)])
            before = mongodb.count(secured.endpoint, secured.credentials)
            assert mongodb.count(secured.endpoint, secured.credentials) == before
            items.update_one({"_id": 1}, {"$set": {"n": 1}})
        (found,) = mongodb.count(secured.endpoint, secured.credentials).values()
        (counted,) = before.values()
        assert (found.number, counted.number) == (10, 10)
        assert found.changes != counted.changes


class TestTenant:
    def test_documents_queries_and_aggregation(self, secured: Server) -> None:
        with connect(secured) as mine:
            items = mine.get_default_database().items
            items.insert_many([{"n": number, "even": number % 2 == 0} for number in range(1000)])
            items.create_index("n", unique=True)
            items.update_one({"n": 7}, {"$set": {"name": "seven"}, "$inc": {"seen": 2}})
            items.delete_many({"n": {"$gte": 900}})
            assert items.count_documents({}) == 900
            assert items.find_one({"n": 7}, {"_id": 0}) == {"n": 7, "even": False, "name": "seven", "seen": 2}
            stages: list[dict[str, Any]] = [
                {"$group": {"_id": "$even", "sum": {"$sum": "$n"}, "count": {"$sum": 1}}},
                {"$sort": {"_id": 1}},
            ]
            assert [each["count"] for each in items.aggregate(stages)] == [450, 450]
            with pytest.raises(pymongo.errors.DuplicateKeyError):
                items.insert_one({"n": 7})

    def test_transactions(self, secured: Server) -> None:
        with connect(secured) as mine, mine.start_session() as session:
            accounts = mine.get_default_database().accounts
            accounts.insert_many([{"_id": "a", "money": 10}, {"_id": "b", "money": 0}])
            with session.start_transaction():
                accounts.update_one({"_id": "a"}, {"$inc": {"money": -4}}, session=session)
                accounts.update_one({"_id": "b"}, {"$inc": {"money": 4}}, session=session)
            session.start_transaction()
            accounts.update_one({"_id": "a"}, {"$inc": {"money": -6}}, session=session)
            session.abort_transaction()
            assert [each["money"] for each in accounts.find().sort("_id")] == [6, 4]

    def test_change_streams(self, secured: Server) -> None:
        with connect(secured) as mine, mine.get_default_database().watched.watch(max_await_time_ms=2000) as stream:
            mine.get_default_database().watched.insert_one({"_id": 1})
            change = stream.try_next()
            assert change is not None
            assert change["operationType"] == "insert"

    @pytest.mark.parametrize("password", [None, "wrong"])
    def test_needs_its_password(self, secured: Server, password: str | None) -> None:
        host, port = secured.endpoint.host, secured.endpoint.port
        who: dict[str, Any] = {"username": secured.credentials.user, "password": password} if password else {}
        database = secured.credentials.database
        with (
            closing(MongoClient(host, port, directConnection=True, authSource=database, **who)) as stranger,
            pytest.raises(OperationFailure),
        ):
            stranger[database].items.insert_one({})


ESCAPES: dict[str, Callable[[Client], object]] = {
    "another database": lambda mine: mine["other"].items.insert_one({}),
    "another database, read": lambda mine: mine["other"].items.find_one(),
    "another database, by lookup": lambda mine: list(
        mine.get_default_database().items.aggregate(
            [{"$lookup": {"from": {"db": "admin", "coll": "system.users"}, "as": "x", "pipeline": []}}]
        )
    ),
    "another database, by out": lambda mine: list(
        mine.get_default_database().items.aggregate([{"$out": {"db": "other", "coll": "x"}}])
    ),
    "another database, by rename": lambda mine: mine.admin.command(
        "renameCollection", "other.items", to=f"{mine.get_default_database().name}.items"
    ),
    "another database, by moving there": lambda mine: mine.admin.command(
        "renameCollection", f"{mine.get_default_database().name}.items", to="other.items"
    ),
    "another database, by a view": lambda mine: mine.get_default_database().create_collection(
        "view", viewOn="items", pipeline=[{"$merge": {"into": {"db": "other", "coll": "x"}}}]
    ),
    "a view that writes": lambda mine: mine.get_default_database().create_collection(
        "view", viewOn="items", pipeline=[{"$facet": {"x": [{"$out": "copy"}]}}]
    ),
    "stepping down": lambda mine: mine.admin.command("replSetStepDown", 1000),
    "everybody's sessions": lambda mine: mine.admin.command("killAllSessions", []),
    "users": lambda mine: mine.admin["system.users"].find_one(),
    "dropping another's database": lambda mine: mine.drop_database("other"),
    "a role of its own with more": lambda mine: mine.get_default_database().command(
        "updateRole", "dbyardTenant", privileges=[], roles=["root"]
    ),
    "its own rights": lambda mine: mine.get_default_database().command(
        "grantRolesToUser", mine.get_default_database().name, roles=["dbOwner"]
    ),
    "another user": lambda mine: mine.get_default_database().command("createUser", "eve", pwd="x", roles=["root"]),
    "a role": lambda mine: mine.get_default_database().command("createRole", "r", privileges=[], roles=["root"]),
    "backup": lambda mine: mine.admin.command("secantusAdmin.backupArchive", outputPath="/tmp/stolen.tar.gz"),
    "restore": lambda mine: mine.admin.command("secantusAdmin.restoreArchive", archivePath="/tmp/stolen.tar.gz"),
    "operations": lambda mine: mine.admin.command("currentOp"),
    "the log": lambda mine: mine.admin.command("getLog", "global"),
    "the command line": lambda mine: mine.admin.command("getCmdLineOpts"),
    "settings": lambda mine: mine.admin.command("setParameter", 1, logLevel=2),
    "connections": lambda mine: mine.admin.command("killOp", op=1),
    "fail points": lambda mine: mine.admin.command("configureFailPoint", "failCommand", mode="alwaysOn"),
    "the oplog": lambda mine: mine.local["oplog.rs"].find_one(),
    "all changes": lambda mine: mine.watch().try_next(),
    "dropping a database": lambda mine: mine.admin.command("dropDatabase"),
}


class TestEscapes:
    def test_all_are_refused(self, secured: Server) -> None:
        with connect(secured) as mine:
            mine.get_default_database().items.insert_one({})
            for what, attempt in ESCAPES.items():
                with pytest.raises(OperationFailure) as refused:
                    attempt(mine)
                assert refused.value.code in REFUSED, (what, refused.value)

    def test_writing_to_several_collections_at_once(self, secured: Server) -> None:
        own = f"{secured.credentials.database}.items"
        with connect(secured) as mine:
            assert mine.bulk_write([pymongo.InsertOne({}, namespace=own)]).inserted_count == 1
            for spaces in (["other.items"], [own, "other.items"], ["admin.system.users"]):
                with pytest.raises(ClientBulkWriteException, match="not authorized"):
                    mine.bulk_write([pymongo.InsertOne({}, namespace=space) for space in spaces])
        with as_admin(secured) as server:
            assert "other" not in server.list_database_names()

    def test_views_and_moves_of_its_own(self, secured: Server) -> None:
        with connect(secured) as mine:
            database = mine.get_default_database()
            database.items.insert_one({"_id": 1, "other": 1})
            lookup = {"from": "items", "localField": "other", "foreignField": "_id", "as": "others"}
            database.create_collection("view", viewOn="items", pipeline=[{"$lookup": lookup}])
            assert len(database.view.find_one({})["others"]) == 1  # type: ignore[index]
            database.items.rename("things")
            assert database.things.count_documents({}) == 1


class TestOwnDatabase:
    """What mongosh, Compass and the set-up of tests ask."""

    def test_is_the_only_one_that_is_shown(self, secured: Server) -> None:
        with as_admin(secured) as server, connect(secured) as mine:
            server["other"].items.insert_one({})
            assert mine.list_database_names() == []
            mine.get_default_database().items.insert_one({"_id": 1})
            name = secured.credentials.database
            assert mine.list_database_names() == [name]
            assert [each["name"] for each in mine.list_databases()] == [name]
            whole = mine.admin.command("listDatabases")
            assert whole["totalSize"] == whole["databases"][0]["sizeOnDisk"] > 0
            assert {"other", name} <= set(server.list_database_names())

    def test_nobody_is_shown_any_without_a_login(self, secured: Server) -> None:
        with (
            connect_without_login(secured) as anybody,
            pytest.raises(OperationFailure, match="requires authentication"),
        ):
            anybody.list_database_names()

    def test_is_dropped_and_used_again(self, secured: Server) -> None:
        with connect(secured) as mine:
            database = mine.get_default_database()
            database.items.insert_one({"_id": 1})
            mine.drop_database(database.name)
            assert database.list_collection_names() == []
            database.items.insert_one({"_id": 2})
            assert [each["_id"] for each in database.items.find()] == [2]
        secured.configure()
        with connect(secured) as mine:
            assert mine.get_default_database().items.count_documents({}) == 1

    def test_of_a_database_from_before(self, secured: Server) -> None:
        """A tenant that was made with the server's own role only."""
        name = secured.credentials.database
        with as_admin(secured) as server:
            server[name].command("revokeRolesFromUser", secured.credentials.user, roles=["dbyardTenant"])
            server[name].command("dropRole", "dbyardTenant")
        secured.configure()
        with connect(secured) as mine:
            mine.drop_database(name)


class TestConfigure:
    def test_repeating_changes_nothing(self, secured: Server) -> None:
        with connect(secured) as mine:
            mine.get_default_database().items.insert_one({"_id": 1})
            secured.configure()
            assert mine.get_default_database().items.find_one() == {"_id": 1}

    def test_a_new_password_replaces_the_old_one(self, secured: Server) -> None:
        old = secured.credentials
        secured.credentials = replace(old, password="newPassword-0123456789_abcdef")
        secured.configure()
        with connect(secured) as mine, pytest.raises(OperationFailure):
            mine.get_default_database().items.find_one()
        secured.configure(reset=True)
        with connect(secured) as mine:
            mine.get_default_database().items.insert_one({"_id": 1})
        secured.credentials = old
        with connect(secured) as mine, pytest.raises(OperationFailure):
            mine.get_default_database().items.find_one()

    def test_refusals_say_why(self, server: Server) -> None:
        server.credentials = replace(server.credentials, password="")
        with pytest.raises(TemporaryError, match=r"the server refuses: .*pwd"):
            server.configure()


class TestRestrict:
    def test_read_only_leaves_ways_to_free_space(self, secured: Server) -> None:
        with connect(secured) as mine:
            mine.get_default_database().items.insert_many([{"_id": number} for number in range(10)])
            mine.get_default_database().items.create_index("name")
            restrict(secured, Restriction.READ_ONLY)
            restrict(secured, Restriction.READ_ONLY)
        with connect(secured) as mine:
            database = mine.get_default_database()
            for attempt in WRITES:
                with pytest.raises(OperationFailure) as refused:
                    attempt(database)
                assert refused.value.code == UNAUTHORIZED
            assert database.items.count_documents({}) == 10
            assert database.items.delete_many({"_id": {"$lt": 5}}).deleted_count == 5
            database.items.drop_index("name_1")
            database.items.drop()
            restrict(secured, Restriction.NONE)
        with connect(secured) as mine:
            mine.get_default_database().items.insert_one({"_id": 1})

    def test_connections_that_are_open_lose_their_rights_at_once(self, secured: Server) -> None:
        with connect(secured, retryWrites=False, maxPoolSize=1) as mine:
            mine.get_default_database().items.insert_one({})
            restrict(secured, Restriction.READ_ONLY)
            with pytest.raises(PyMongoError):
                mine.get_default_database().items.insert_one({})
            with pytest.raises(OperationFailure):
                mine.get_default_database().items.insert_one({})

    def test_closed_refuses_logins_and_ends_connections(self, secured: Server) -> None:
        with connect(secured, retryReads=False, maxPoolSize=1) as mine:
            mine.get_default_database().items.insert_one({"_id": 1})
            restrict(secured, Restriction.CLOSED)
            restrict(secured, Restriction.CLOSED)
            with pytest.raises(PyMongoError):
                mine.get_default_database().items.find_one()
            with connect(secured, serverSelectionTimeoutMS=500) as new, pytest.raises(PyMongoError, match="authentic"):
                new.get_default_database().items.find_one()
            mongodb.ping(secured.endpoint, secured.credentials)
            restrict(secured, Restriction.NONE)
            assert mine.get_default_database().items.find_one() == {"_id": 1}

    def test_what_is_deleted_is_given_back_to_the_disk(self, secured: Server) -> None:
        def used() -> int:
            return sum(path.stat().st_size for path in secured.layout.data.rglob("*") if path.is_file())

        with connect(secured) as mine:
            items = mine.get_default_database().items
            for start in range(0, 3000, 500):
                items.insert_many([{"_id": start + n, "bytes": os.urandom(8000)} for n in range(500)])
            full = used()
            restrict(secured, Restriction.READ_ONLY)
        with connect(secured) as mine:
            mine.get_default_database().items.delete_many({"_id": {"$gte": 100}})
            restrict(secured, Restriction.READ_ONLY)
            assert full > 40 * MIB
            assert used() < 16 * MIB
        with connect(secured) as mine:
            assert mine.get_default_database().items.count_documents({}) == 100

    def test_holds_after_a_restart(self, secured: Server) -> None:
        restrict(secured, Restriction.READ_ONLY)
        secured.stop(signal.SIGKILL)
        secured.start()
        with connect(secured) as mine, pytest.raises(OperationFailure):
            mine.get_default_database().items.insert_one({})


WRITES: list[Callable[[Any], object]] = [
    lambda database: database.items.insert_one({}),
    lambda database: database.items.update_one({"_id": 1}, {"$set": {"x": 1}}, upsert=True),
    lambda database: database.items.find_one_and_update({"_id": 1}, {"$set": {"x": 1}}),
    lambda database: database.items.create_index("other"),
    lambda database: database.create_collection("another"),
    lambda database: list(database.items.aggregate([{"$out": "copy"}])),
    lambda database: list(database.items.aggregate([{"$merge": {"into": "copy"}}])),
    lambda database: database.client.admin.command(
        "bulkWrite", 1, ops=[{"insert": 0, "document": {}}], nsInfo=[{"ns": f"{database.name}.items"}]
    ),
]


class TestConnections:
    def test_the_admin_gets_in_when_the_tenant_has_taken_every_connection(self, launch: Launch) -> None:
        server = launch("mongodb", "0.7", start=False)
        server.node = replace(server.node, plan=replace(server.node.plan, connections=5))
        server.start()
        server.configure()
        with ExitStack() as stack:
            for _ in range(5):
                mine = stack.enter_context(connect(server, maxPoolSize=1))
                mine.get_default_database().items.insert_one({})
            one_more = stack.enter_context(connect(server, maxPoolSize=1, retryReads=False))
            with pytest.raises(PyMongoError):
                one_more.get_default_database().items.find_one()
            mongodb.ping(server.endpoint, server.credentials)
            assert mine.get_default_database().items.count_documents({}) == 5


class TestStats:
    def test_tells_what_it_counts(self, secured: Server) -> None:
        with connect(secured) as mine:
            mine.get_default_database().items.insert_one({})
            told = mongodb.stats(secured.endpoint, secured.credentials)
        assert told["insert_operations"] == 1
        assert told["current_connections"] >= 2
        assert told["memory_resident"] > 10 * MIB
        assert all(isinstance(value, int | float) for value in told.values())


class TestPing:
    def test_refused_at_once_where_nobody_listens(self) -> None:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            with pytest.raises(NotReady, match="refused"):
                mongodb.ping(Address("127.0.0.1", listener.getsockname()[1]), CREDENTIALS)

    def test_a_stopped_server_is_not_ready_after_a_second(self, server: Server) -> None:
        assert server.process is not None
        os.killpg(server.process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(NotReady):
                mongodb.ping(server.endpoint, server.credentials)
        finally:
            os.killpg(server.process.pid, signal.SIGCONT)

    def test_a_wrong_admin_password_is_not_ready(self, server: Server) -> None:
        with pytest.raises(NotReady, match="authentication failed"):
            mongodb.ping(server.endpoint, replace(server.credentials, admin_password="wrong"))


class TestServer:
    def test_acknowledged_documents_survive_a_kill(self, secured: Server) -> None:
        acknowledged = []

        def write(mine: Client) -> None:
            assert secured.process is not None
            for number in range(5000):
                if number == 300:
                    os.killpg(secured.process.pid, signal.SIGKILL)
                mine.get_default_database().items.insert_one({"_id": number})
                acknowledged.append(number)

        with connect(secured, retryWrites=False) as mine, pytest.raises(AutoReconnect):
            write(mine)
        assert secured.process is not None
        secured.process.wait(10)
        secured.start()
        with connect(secured) as mine:
            found = {each["_id"] for each in mine.get_default_database().items.find()}
        assert found >= set(acknowledged)
        assert len(acknowledged) >= 300

    def test_keeps_its_argv(self, server: Server) -> None:
        assert server.process is not None
        argv = Path(f"/proc/{server.process.pid}/cmdline").read_bytes().split(b"\0")[:-1]
        assert argv == [part.encode() for part in server.spec.server.argv]

    def test_writes_its_own_log_and_leaves_no_secret_in_it(self, secured: Server) -> None:
        with pytest.raises(NotReady):
            mongodb.ping(secured.endpoint, replace(secured.credentials, admin_password="a-wrong-one"))
        assert (secured.layout.log / "server.log").exists()
        for secret in (secured.credentials.password, secured.credentials.admin_password, "a-wrong-one"):
            assert secret not in secured.log()

    def test_stops_by_its_signal(self, secured: Server) -> None:
        with connect(secured) as mine:
            mine.get_default_database().items.insert_one({"_id": 1})
        assert secured.stop() == 0
        secured.start()
        with connect(secured) as mine:
            assert mine.get_default_database().items.find_one() == {"_id": 1}

    def test_stops_by_a_signal_as_soon_as_it_answers(self, secured: Server) -> None:
        """One that came when no thread would wake for it was lost."""
        for _ in range(4):
            assert secured.stop() == 0
            secured.start()


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names
