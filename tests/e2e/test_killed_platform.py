"""kill -9 of the platform at every step boundary of what it does: the next start ends what was begun."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from dbyard import wire
from dbyard.client import Client
from dbyard.errors import Unreachable
from dbyard.model import MIB, OperationKind
from dbyard.operations.kinds import KINDS
from tests.e2e import tenants
from tests.e2e.killer import CREATE_INSTANTS, DELETE_INSTANTS, NEED_CGROUPS
from tests.e2e.platforms import Platform, has_cgroups, new_database, wait_for

NAME = "killed-db"
KILLER = ("-m", "tests.e2e.killer", "serve")


def boundaries(kind: OperationKind) -> list[str]:
    return [f"{kind} {step} {moment}" for step in KINDS[kind].steps for moment in ("effect", "recorded")]


def restart_killed_at(home: Platform, point: str, act: Callable[[Client], object]) -> None:
    """Serve the home, ask for something, die at the point of doing it, and serve the home again."""
    home.kill()
    process = home.start(program=KILLER, KILL_AT=point).process
    assert process is not None
    with home.client() as client, suppress(Unreachable):  # it may die before it has answered
        act(client)
    assert process.wait(60) == -signal.SIGKILL, f"the platform never came to {point!r}\n{home.log()}"
    home.start()


@pytest.fixture
def empty(home: Platform) -> Iterator[Platform]:
    """The module's platform, running and without a database, whatever the test before has left."""
    if home.process is None or home.process.poll() is not None:
        home.start()
    yield home
    if home.process is None or home.leftovers():
        home.kill()
        home.start()
        with home.client() as client:
            for database in client.list_databases():
                client.delete_database(database.id, confirm=database.name)
        home.await_nothing_left()


class TestCreate:
    @pytest.mark.parametrize("point", [*boundaries(OperationKind.CREATE), *CREATE_INSTANTS])
    def test_of_postgresql_ends_well(self, empty: Platform, point: str) -> None:
        self.check(empty, point, "postgresql")

    @pytest.mark.parametrize("point", boundaries(OperationKind.CREATE))
    def test_of_redis_ends_well(self, empty: Platform, point: str) -> None:
        self.check(empty, point, "redis")

    def check(self, home: Platform, point: str, technology: str) -> None:
        wanted = new_database(NAME, technology)
        restart_killed_at(home, point, lambda client: client.create_database(wanted))
        connection = home.await_usable(NAME)
        tenant = tenants.connect(technology, connection.url)
        tenant.write(1)
        assert tenant.read() == {1}
        tenant.close()
        home.delete(NAME)


class TestDelete:
    @pytest.mark.parametrize("point", [*boundaries(OperationKind.DELETE), *DELETE_INSTANTS])
    def test_of_postgresql_leaves_nothing(self, empty: Platform, point: str) -> None:
        self.check(empty, point, "postgresql")

    @pytest.mark.parametrize("point", boundaries(OperationKind.DELETE))
    def test_of_redis_leaves_nothing(self, empty: Platform, point: str) -> None:
        self.check(empty, point, "redis")

    def check(self, home: Platform, point: str, technology: str) -> None:
        if point in NEED_CGROUPS and not has_cgroups(home.home):
            pytest.skip("no control groups here")
        connection = home.create(NAME, technology)
        restart_killed_at(home, point, lambda client: client.delete_database(NAME, confirm=NAME))
        with home.client() as client:
            assert client.list_databases() == []
        home.await_nothing_left()
        assert not tenants.answers(technology, connection.url)


class TestRotate:
    @pytest.mark.parametrize("technology", ["postgresql", "redis"])
    @pytest.mark.parametrize("point", ["rotate apply effect", "rotate apply recorded"])
    def test_leaves_one_password_that_works(self, empty: Platform, point: str, technology: str) -> None:
        old = write_one(empty, technology)
        restart_killed_at(empty, point, reset_password)
        new = empty.await_usable(NAME)
        assert new.password != old.password
        assert not tenants.answers(technology, old.url)
        check_written(empty, technology, new.url)


class TestUpdate:
    @pytest.mark.parametrize("point", boundaries(OperationKind.UPDATE)[:-2])  # nothing is restricted here
    def test_of_postgresql_ends_with_the_new_plan(self, empty: Platform, point: str) -> None:
        self.check(empty, point, "postgresql", "postgresql-starter-1024")

    @pytest.mark.parametrize("point", ["update resize effect", "update resize recorded"])
    def test_of_redis_ends_with_the_new_plan(self, empty: Platform, point: str) -> None:
        self.check(empty, point, "redis", "redis-starter-256")

    def check(self, home: Platform, point: str, technology: str, plan: str) -> None:
        connection = write_one(home, technology)
        restart_killed_at(home, point, lambda client: client.change_plan(client.get_database(NAME), plan))
        assert home.await_usable(NAME) == connection
        with home.client() as client:
            assert client.get_database(NAME).plan == plan
            counted = client.get_metrics(NAME).database_stats
        limits = {"redis": ("memory_limit", 256 * MIB), "postgresql": ("max_connections", 60)}
        name, value = limits[technology]
        assert counted[name] == value
        check_written(home, technology, connection.url)


def write_one(home: Platform, technology: str) -> wire.Connection:
    connection = home.create(NAME, technology)
    with closing(tenants.connect(technology, connection.url)) as tenant:
        tenant.write(1)
    return connection


def reset_password(client: Client) -> None:
    (user,) = client.list_users(NAME)
    client.reset_password(NAME, user.name)


def check_written(home: Platform, technology: str, url: str) -> None:
    with closing(tenants.connect(technology, url)) as tenant:
        assert tenant.read() == {1}
    home.delete(NAME)


class TestSpares:
    @pytest.mark.parametrize("point", [point for point in CREATE_INSTANTS if "server" not in point])
    def test_unfinished_ones_are_discarded(self, empty: Platform, point: str) -> None:
        empty.kill()
        killed = empty.launch(program=KILLER, KILL_AT=point, DBYARD_SPARES="1")
        assert killed.wait(60) == -signal.SIGKILL, empty.log()
        empty.start()
        empty.await_nothing_left()
        assert not list((empty.home / "spares").iterdir())

    def test_a_claimed_one_is_not_lost(self, empty: Platform) -> None:
        empty.kill()
        empty.start(DBYARD_SPARES="1")
        spares, wanted = empty.home / "spares", new_database(NAME, "redis")
        wait_for(lambda: list(spares.glob("redis-*")), empty.log, 30)
        restart_killed_at(empty, "create place effect", lambda client: client.create_database(wanted))
        assert not list(spares.glob("redis-*"))
        assert tenants.answers("redis", empty.await_usable(NAME).url)
        empty.delete(NAME)
        shutil.rmtree(spares)  # of other servers
        spares.mkdir()
