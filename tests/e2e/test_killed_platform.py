"""kill -9 of the platform at every step boundary of what it does: the next start ends what was begun."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from functools import partial

import pytest

from dbyard import wire
from dbyard.client import Client
from dbyard.errors import Unreachable
from dbyard.model import MIB, OperationKind
from dbyard.operations import moments
from dbyard.operations.kinds import KINDS
from tests.e2e import tenants
from tests.e2e.killer import CREATE_INSTANTS, DELETE_INSTANTS, MOMENTS, NEED_CGROUPS
from tests.e2e.platforms import Platform, has_cgroups, new_database, wait_for

NAME = "killed-db"
KILLER = ("-m", "tests.e2e.killer", "serve")
BOTH = ("postgresql", "redis")
"""Where both come to a boundary, one kill is enough: it waits until each has."""
LARGER = {
    "postgresql": ("postgresql-starter-1024", ("max_connections", 60)),
    "redis": ("redis-starter-256", ("memory_limit", 256 * MIB)),
}
"""Another plan, and what the server then tells of itself."""

Connections = Mapping[str, wire.Connection]
"""By technology."""


def boundaries(kind: OperationKind) -> list[str]:
    """Of the steps that all of a kind have: a create of a backup alone restores."""
    steps = [step for step in KINDS[kind].steps if step not in ("restore", *moments.STEPS)]
    return [f"{kind} {step} {moment}" for step in steps for moment in MOMENTS]


def name_of(technology: str) -> str:
    return f"{NAME}-{technology}"


def restart_killed_at(home: Platform, point: str, *acts: Callable[[Client], object]) -> None:
    """Serve the home, ask for something, die once all of it has come to the point, and serve the home again."""
    home.kill()
    process = home.start(program=KILLER, KILL_AT=point, KILL_COUNT=str(len(acts))).process
    assert process is not None
    with home.client() as client, suppress(Unreachable):  # it may die before it has answered
        for act in acts:
            act(client)
    assert process.wait(120) == -signal.SIGKILL, f"the platform never came to {point!r}\n{home.log()}"
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
        delete_all(home)


class TestCreate:
    @pytest.mark.parametrize("point", boundaries(OperationKind.CREATE))
    def test_of_two_ends_well(self, empty: Platform, point: str) -> None:
        self.check(empty, point, *BOTH)

    @pytest.mark.parametrize("point", CREATE_INSTANTS)
    def test_ends_well(self, empty: Platform, point: str) -> None:
        self.check(empty, point, "postgresql")

    def check(self, home: Platform, point: str, *technologies: str) -> None:
        wanted = [new_database(name_of(each), each) for each in technologies]
        restart_killed_at(home, point, *(partial(create, each) for each in wanted))
        for technology in technologies:
            connection = home.await_usable(name_of(technology))
            with closing(tenants.connect(technology, connection.url)) as tenant:
                tenant.write(1)
                assert tenant.read() == {1}
        delete_all(home)


class TestDelete:
    @pytest.mark.parametrize("point", boundaries(OperationKind.DELETE))
    def test_of_two_leaves_nothing(self, empty: Platform, point: str) -> None:
        self.check(empty, point, *BOTH)

    @pytest.mark.parametrize("point", DELETE_INSTANTS)
    def test_leaves_nothing(self, empty: Platform, point: str) -> None:
        if point in NEED_CGROUPS and not has_cgroups(empty.home):
            pytest.skip("no control groups here")
        self.check(empty, point, "postgresql")

    def check(self, home: Platform, point: str, *technologies: str) -> None:
        before = {each: home.create(name_of(each), each) for each in technologies}
        restart_killed_at(home, point, *(partial(delete, name_of(each)) for each in technologies))
        with home.client() as client:
            assert client.list_databases() == []
        home.await_nothing_left()
        assert not any(tenants.answers(technology, connection.url) for technology, connection in before.items())


class TestConfigure:
    @pytest.mark.parametrize("point", boundaries(OperationKind.CONFIGURE)[:2])  # no server is started again
    def test_of_two_leaves_one_password_that_works(self, empty: Platform, point: str) -> None:
        before = write_one(empty, *BOTH)
        restart_killed_at(empty, point, *(partial(reset_password, name_of(each)) for each in BOTH))
        after = {each: empty.await_usable(name_of(each)) for each in BOTH}
        for technology in BOTH:
            assert after[technology].password != before[technology].password
            assert not tenants.answers(technology, before[technology].url)
        check_written(empty, after)


class TestResize:
    @pytest.mark.parametrize("point", boundaries(OperationKind.RESIZE)[:2])  # Redis grows while it runs
    def test_of_two_ends_with_the_new_plan(self, empty: Platform, point: str) -> None:
        self.check(empty, point, *BOTH)

    @pytest.mark.parametrize("point", boundaries(OperationKind.RESIZE)[2:-2])  # nothing is restricted here
    def test_of_postgresql_ends_with_the_new_plan(self, empty: Platform, point: str) -> None:
        self.check(empty, point, "postgresql")

    def check(self, home: Platform, point: str, *technologies: str) -> None:
        before = write_one(home, *technologies)
        restart_killed_at(home, point, *(partial(enlarge, each) for each in technologies))
        assert {each: home.await_usable(name_of(each)) for each in technologies} == before
        for technology in technologies:
            plan, (limit, value) = LARGER[technology]
            with home.client() as client:
                assert client.get_database(name_of(technology)).plan == plan
                assert client.get_metrics(name_of(technology)).database_stats[limit] == value
        check_written(home, before)


def write_one(home: Platform, *technologies: str) -> Connections:
    made = {each: home.create(name_of(each), each) for each in technologies}
    for technology, connection in made.items():
        with closing(tenants.connect(technology, connection.url)) as tenant:
            tenant.write(1)
    return made


def check_written(home: Platform, connections: Connections) -> None:
    for technology, connection in connections.items():
        with closing(tenants.connect(technology, connection.url)) as tenant:
            assert tenant.read() == {1}
    delete_all(home)


def delete_all(home: Platform) -> None:
    """Also whatever a test that failed has left."""
    with home.client() as client:
        for database in client.list_databases():
            delete(database.name, client)
    home.await_nothing_left()


def create(wanted: wire.NewDatabase, client: Client) -> None:
    client.create_database(wanted)


def delete(name: str, client: Client) -> None:
    client.delete_database(name, confirm=name)


def reset_password(name: str, client: Client) -> None:
    (user,) = client.list_users(name)
    client.reset_password(name, user.name)


def enlarge(technology: str, client: Client) -> None:
    client.change_plan(client.get_database(name_of(technology)), LARGER[technology][0])


class TestSpares:
    @pytest.mark.parametrize(
        "point", [point for point in CREATE_INSTANTS if not {"server", "endpoint"} & set(point.split())]
    )
    def test_unfinished_ones_are_discarded(self, empty: Platform, point: str) -> None:
        empty.kill()
        killed = empty.launch(program=KILLER, KILL_AT=point, DBYARD_SPARES="1")
        assert killed.wait(120) == -signal.SIGKILL, empty.log()
        empty.start()
        empty.await_nothing_left()
        assert not list((empty.home / "spares").iterdir())

    def test_a_claimed_one_is_not_lost(self, empty: Platform) -> None:
        empty.kill()
        empty.start(DBYARD_SPARES="1")
        spares, wanted = empty.home / "spares", new_database(NAME, "redis")
        wait_for(lambda: list(spares.glob("redis-*")), empty.log, 30)
        restart_killed_at(empty, "create allocate effect", lambda client: client.create_database(wanted))
        assert not list(spares.glob("redis-*"))
        assert tenants.answers("redis", empty.await_usable(NAME).url)
        empty.delete(NAME)
        shutil.rmtree(spares)  # of other servers
        spares.mkdir()
