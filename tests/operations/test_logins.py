"""Which log-ins of tenants are tried when, and what is told of them."""

from __future__ import annotations

import time

import pytest

from dbyard.errors import LockedOut, NotReady, WrongPassword
from dbyard.model import Address, Credentials, EventType, OperationKind
from dbyard.operations.target import load_database
from dbyard.reconciler.logins import LoginMonitor
from dbyard.service.databases import status
from dbyard.store import credentials, events, instances, operations
from tests.conftest import Clock
from tests.operations.conftest import FAKE_NAME
from tests.operations.fakes import FakeBench


class World:
    def __init__(self, bench: FakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bench, self.now, self.tried = bench, 1000.0, 0
        (self.instance_id,) = bench.runtime.list_instances()
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        self.monitor = LoginMonitor(bench.context)
        check = bench.engine.check_login

        def count(address: Address, credentials: Credentials) -> None:
            self.tried += 1
            check(address, credentials)

        monkeypatch.setattr(bench.engine, "check_login", count)

    def pass_minutes(self, minutes: int) -> None:
        for _ in range(minutes):
            self.now += 60
            self.monitor.check(load_database(self.bench.context, self.database_id, self.instance_id))

    @property
    def database_id(self) -> str:
        with self.bench.context.store.read() as connection:
            return str(connection.execute("SELECT id FROM database").fetchone()["id"])

    @property
    def error(self) -> str | None:
        return status.get_overview(self.bench.service, self.bench.principal, FAKE_NAME).report.error

    def told(self, kind: EventType = EventType.DATABASE_LOCKED_OUT) -> list[object]:
        with self.bench.context.store.read() as connection:
            found = events.list_page(connection, events.of_database(self.database_id), 50, 0)
        return [event.data["reason"] for event in found if event.type == kind]


def shown(world: World) -> str | None:
    return world.error


@pytest.fixture
def world(fake_bench: FakeBench, fake_instance: str, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(fake_bench, monkeypatch)


def test_one_that_gets_in_is_tried_every_five_minutes(world: World) -> None:
    world.pass_minutes(20)
    assert world.tried == 4
    assert (world.error, world.told()) == (None, [])


def test_one_that_does_not_is_told_of_once_when_it_was_seen_twice(world: World) -> None:
    world.bench.engine.locked_out = LockedOut("no database of that name")
    world.pass_minutes(1)
    assert (world.error, world.told()) == (None, [])
    world.pass_minutes(20)
    assert world.error == "its tenant cannot use it (locked_out): no database of that name"
    assert world.told() == [world.error]
    assert status.get_overview(world.bench.service, world.bench.principal, FAKE_NAME).report.status == "running"


def test_data_that_cannot_be_read_are_told_in_other_words(world: World) -> None:
    world.bench.engine.damage = "1 of its indices lack shards (red): a"
    world.pass_minutes(3)
    assert world.error == "some of its data cannot be read: 1 of its indices lack shards (red): a"
    assert world.told() == []
    assert world.told(EventType.DATABASE_DAMAGED) == [world.error]
    world.bench.engine.damage = None
    world.pass_minutes(2)
    assert shown(world) is None


def test_one_that_gets_in_again_is_no_longer_shown(world: World) -> None:
    world.bench.engine.locked_out = WrongPassword("another password")
    world.pass_minutes(3)
    assert world.error is not None
    world.bench.engine.locked_out = None
    world.pass_minutes(2)
    assert len(world.told()) == 1
    assert shown(world) is None


def test_a_moment_without_a_way_in_is_not_told_of(world: World) -> None:
    world.bench.engine.locked_out = LockedOut("not now")
    world.pass_minutes(1)
    world.bench.engine.locked_out = None
    world.pass_minutes(20)
    assert world.told() == []


def test_a_server_that_does_not_answer_is_not_its_business(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object) -> None:
        raise NotReady("refused")

    monkeypatch.setattr(world.bench.engine, "check_login", silent)
    world.pass_minutes(3)
    assert (world.error, world.told()) == (None, [])


def test_nobody_is_tried_who_was_closed_out(world: World) -> None:
    with world.bench.context.store.tx() as connection:
        connection.execute("UPDATE instance SET restriction = 'closed' WHERE id = ?", (world.instance_id,))
        assert instances.get_primary(connection, world.database_id)
    world.pass_minutes(3)
    assert world.tried == 0


def test_nobody_is_tried_whose_password_is_being_changed(world: World) -> None:
    with world.bench.context.store.tx() as connection:
        credentials.set_pending(connection, world.database_id)
    world.bench.engine.locked_out = WrongPassword("another password")
    world.pass_minutes(3)
    assert (world.tried, world.told()) == (0, [])


def test_what_an_operation_has_found_meanwhile_stands(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.bench.engine.locked_out = LockedOut("no right to connect")
    world.pass_minutes(1)

    def check(*_: object) -> None:
        with world.bench.context.store.tx() as connection:
            instances.set_login_error(connection, world.instance_id, "what the operation has found")
        raise LockedOut("no right to connect")

    monkeypatch.setattr(world.bench.engine, "check_login", check)
    world.pass_minutes(1)
    assert (world.error, world.told()) == ("what the operation has found", [])


def test_an_operation_at_work_is_left_alone(world: World, clock: Clock) -> None:
    world.bench.engine.locked_out = LockedOut("no right to connect")
    world.pass_minutes(1)
    with world.bench.context.store.tx() as connection:
        operations.insert(connection, world.database_id, OperationKind.CONFIGURE, clock.now)
    world.pass_minutes(5)
    assert world.told() == []
