"""Tenants that lock themselves out of a server that runs: it is noticed, and what they cannot undo is brought back.

Each attack is what the server lets a tenant do; statements that it refuses are no attack.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import psycopg
import pymongo
import pytest
import redis

from dbyard.errors import LockedOut, NotReady, WrongPassword
from dbyard.model import Applied, Restriction
from tests.engines.test_configure import reads, renew_password, url
from tests.engines.test_held import mysql, soon

if TYPE_CHECKING:
    from tests.engines.conftest import Launch, Server

VERSIONS = {"postgresql": "17", "mysql": "9.7", "mariadb": "10.11", "redis": "7.0", "mongodb": "0.7", "influxdb": "1.6"}

POSTGRESQL = (
    "ALTER DATABASE {me} CONNECTION LIMIT 0",
    "ALTER DATABASE {me} ALLOW_CONNECTIONS false",
    "REVOKE CONNECT ON DATABASE {me} FROM {me}",
    "REVOKE ALL ON DATABASE {me} FROM {me}, PUBLIC",
    "DROP OWNED BY {me}",
    "ALTER ROLE {me} SET local_preload_libraries = 'nothing'",
    "ALTER DATABASE {me} SET local_preload_libraries = 'nothing'",
    "ALTER ROLE {me} IN DATABASE {me} SET local_preload_libraries = 'nothing'",
    "ALTER ROLE {me} SET transaction_timeout = 1",
    "ALTER ROLE {me} SET statement_timeout = 1",
    "ALTER DATABASE {me} SET statement_timeout = 1",
    "ALTER ROLE {me} SET idle_session_timeout = 1",
    "ALTER ROLE {me} SET role = 'nobody'",
    "ALTER ROLE {me} SET client_encoding = 'MULE_INTERNAL'",
    "ALTER ROLE {me} SET default_transaction_read_only = on",
)
MYSQL = ("DROP DATABASE {me}", "ALTER DATABASE {me} CHARACTER SET latin1")
INFLUXDB = (
    'DROP RETENTION POLICY "autogen" ON "{me}"',
    'DROP DATABASE "{me}"',
    'DROP USER "{me}"',
    'REVOKE ALL ON "{me}" FROM "{me}"',
    "SET PASSWORD FOR \"{me}\" = 'mine'",
    'ALTER RETENTION POLICY "autogen" ON "{me}" DURATION 1h',
    "DROP SERIES FROM /.*/",
)
MONGODB: tuple[dict[str, Any], ...] = (
    {"dropDatabase": 1},
    {"dropUser": "{me}"},
    {"dropAllUsersFromDatabase": 1},
    {"updateUser": "{me}", "roles": []},
    {"revokeRolesFromUser": "{me}", "roles": ["readWrite"]},
)
REDIS = (
    "FLUSHALL",
    "ACL SETUSER default off",
    "ACL DELUSER default",
    "CONFIG SET requirepass mine",
    "CLIENT PAUSE 60000",
)


def attack_postgresql(server: Server, statement: str) -> None:
    with closing(psycopg.connect(url(server), autocommit=True)) as tenant, contextlib.suppress(psycopg.Error):
        tenant.execute(statement.format(me=server.credentials.user).encode())


def attack_mysql(server: Server, statement: str) -> None:
    with closing(mysql(server)) as tenant, tenant.cursor() as cursor:
        cursor.execute(statement.format(me=server.credentials.user))


def attack_redis(server: Server, command: str) -> None:
    with redis.Redis.from_url(url(server)) as tenant, contextlib.suppress(redis.RedisError):
        tenant.execute_command(*command.split())


def attack_mongodb(server: Server, command: dict[str, Any]) -> None:
    me = server.credentials.user
    wanted = {name: me if value == "{me}" else value for name, value in command.items()}
    with pymongo.MongoClient[dict[str, Any]](url(server)) as tenant, contextlib.suppress(pymongo.errors.PyMongoError):
        tenant[me].items.insert_one({})
        tenant[me].command(wanted)


def attack_influxdb(server: Server, statement: str) -> None:
    query_influxdb(server, statement.format(me=server.credentials.user))


def query_influxdb(server: Server, statement: str, line: str = "") -> int:
    """The status of a statement, or of a point that is written."""
    who = {"u": server.credentials.user, "p": server.credentials.password, "db": server.credentials.database}
    base = "http://{}:{}".format(*urlsplit(url(server)).netloc.rpartition("@")[2].split(":"))
    path = f"/write?{urlencode(who)}" if line else f"/query?{urlencode(who | {'q': statement})}"
    try:
        with urlopen(Request(base + path, line.encode(), method="POST"), timeout=10) as answer:  # noqa: S310
            told = answer.read()
    except HTTPError as error:
        return error.code
    return 400 if told and "error" in json.dumps(json.loads(told)) else int(answer.status)


ATTACKS: dict[str, tuple[Callable[..., None], tuple[Any, ...]]] = {
    "postgresql": (attack_postgresql, POSTGRESQL),
    "mysql": (attack_mysql, MYSQL),
    "redis": (attack_redis, REDIS),
    "mongodb": (attack_mongodb, MONGODB),
    "influxdb": (attack_influxdb, INFLUXDB),
}


@pytest.fixture(scope="module", params=list(VERSIONS))
def server(request: pytest.FixtureRequest, launch_shared: Launch) -> Iterator[Server]:
    server = launch_shared(request.param, VERSIONS[request.param])
    server.configure()
    yield server
    server.stop()


def check(server: Server) -> None:
    server.engine.check_login(server.endpoint, server.credentials)


def bring_back(server: Server) -> None:
    """As an operation does it."""
    assert server.configure() == Applied()
    try:
        check(server)
    except LockedOut:
        assert server.configure(unlock=True) == Applied()
    check(server)


def test_whatever_it_does_to_itself_is_brought_back(server: Server) -> None:
    attack, attacks = ATTACKS[server.engine.TECHNOLOGY]
    bring_back(server)
    for each in attacks:
        attack(server, each)
        with contextlib.suppress(LockedOut):
            check(server)
            assert reads(server), f"{each} is not noticed"
        bring_back(server)
        assert reads(server), f"{each} is not brought back"


def test_a_reset_brings_it_back(server: Server) -> None:
    attack, attacks = ATTACKS[server.engine.TECHNOLOGY]
    attack(server, attacks[0])
    renew_password(server)
    assert server.configure(reset=True) == Applied()
    bring_back(server)
    assert reads(server)


def test_another_password_is_told_apart(server: Server) -> None:
    wrong = replace(server.credentials, password="of-somebody-else-0123")
    kind = LockedOut if server.engine.TECHNOLOGY in ("redis", "mongodb") else WrongPassword
    with pytest.raises(kind):
        server.engine.check_login(server.endpoint, wrong)


def test_a_server_that_is_not_there_is_no_lockout(server: Server) -> None:
    with pytest.raises(NotReady):
        server.engine.check_login(replace(server.endpoint, port=1), server.credentials)


def test_closing_is_seen(server: Server) -> None:
    assert server.configure(Restriction.CLOSED) == Applied()
    with pytest.raises((LockedOut, NotReady)):
        check(server)
    bring_back(server)


class TestPostgresql:
    def test_only_settings_that_keep_it_out_are_forgotten(self, launch: Launch) -> None:
        server = launch("postgresql", "17", start=False)
        server.node = replace(server.node, plan=replace(server.node.plan, connections=5))
        server.start().configure()
        attack_postgresql(server, "ALTER ROLE {me} SET statement_timeout = '30s'")
        attack_postgresql(server, "ALTER DATABASE {me} CONNECTION LIMIT 4")
        bring_back(server)
        with closing(psycopg.connect(url(server))) as tenant:
            assert tenant.execute("SHOW statement_timeout").fetchone() == ("30s",)
            limit = "SELECT datconnlimit FROM pg_database WHERE datname = current_database()"
            assert tenant.execute(limit).fetchone() == (4,)
        for number in (-1, 2):  # all connections taken by itself are no lockout
            attack_postgresql(server, f"ALTER DATABASE {{me}} CONNECTION LIMIT {number}")
            with ExitStack() as stack:
                with contextlib.suppress(psycopg.OperationalError):
                    while True:
                        stack.enter_context(closing(psycopg.connect(url(server))))
                check(server)

    def test_settings_that_make_it_wait_without_end_are_forgotten(self, launch: Launch) -> None:
        """What its next sessions do first is to wait for the end of a transaction that it keeps open."""
        server = launch("postgresql", VERSIONS["postgresql"])
        server.configure()
        with closing(psycopg.connect(url(server))) as tenant:
            tenant.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE READ WRITE")
            tenant.execute("SELECT count(*) FROM pg_class")
            for setting in ("isolation = 'serializable'", "deferrable = on", "read_only = on"):
                attack_postgresql(server, f"ALTER ROLE {{me}} SET default_transaction_{setting}")
            with pytest.raises(LockedOut, match="did not answer"):
                soon(lambda: check(server))
            soon(lambda: bring_back(server))
            assert tenant.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("technology", ["mysql", "mariadb"])
class TestMysql:
    def test_all_connections_taken_by_itself_are_no_lockout(self, technology: str, launch: Launch) -> None:
        server = launch(technology, VERSIONS[technology], start=False)
        server.node = replace(server.node, plan=replace(server.node.plan, connections=3))
        server.start().configure()
        with ExitStack() as stack:
            for _ in range(3):
                stack.enter_context(closing(mysql(server)))
            check(server)
