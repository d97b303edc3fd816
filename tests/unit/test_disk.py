"""Who is restricted when, and how often a disk is looked at."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbyard.metrics import Metrics
from dbyard.model import MIB, Capacity, EventType, OperationKind, Restriction
from dbyard.operations import Context
from dbyard.reconciler import disk
from dbyard.reconciler.disk import (
    GIB,
    DiskMonitor,
    Measured,
    decide,
    pause,
)
from dbyard.service import Service
from dbyard.service.accounts import authentication
from dbyard.service.databases.create import create
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import events, instances, operations
from tests.builders import claim, get_ready
from tests.conftest import World

NONE, READ_ONLY, CLOSED = Restriction
LIMIT = 10 * GIB


def measured(share: float, rate: float = 0.0, cost: float = 0.005) -> Measured:
    return Measured(0.0, int(share * LIMIT), rate, cost)


class TestDecide:
    @pytest.mark.parametrize(
        ("current", "percent", "wanted"),
        [
            (NONE, 0, NONE),
            (NONE, 94, NONE),
            (NONE, 95, READ_ONLY),
            (NONE, 100, CLOSED),
            (READ_ONLY, 94, READ_ONLY),
            (READ_ONLY, 90, READ_ONLY),
            (READ_ONLY, 89, NONE),
            (READ_ONLY, 100, CLOSED),
            (CLOSED, 99, CLOSED),
            (CLOSED, 98, CLOSED),
            (CLOSED, 97, READ_ONLY),
            (CLOSED, 90, READ_ONLY),
            (CLOSED, 10, NONE),
        ],
    )
    def test_marks(self, current: Restriction, percent: int, wanted: Restriction) -> None:
        assert decide(current, percent * GIB, 100 * GIB) is wanted

    @given(st.sampled_from(Restriction), st.integers(0, 2 * LIMIT))
    def test_settles_at_once(self, current: Restriction, used: int) -> None:
        settled = decide(current, used, LIMIT)
        assert decide(settled, used, LIMIT) is settled

    @given(st.sampled_from(Restriction), st.integers(0, 2 * LIMIT), st.integers(0, LIMIT))
    def test_more_is_never_allowed_with_more_used(self, current: Restriction, used: int, more: int) -> None:
        order = list(Restriction).index
        assert order(decide(current, used + more, LIMIT)) >= order(decide(current, used, LIMIT))


class TestPause:
    def test_is_short_where_a_fast_writer_could_fill_the_disk(self) -> None:
        assert pause(measured(0.1), LIMIT, NONE) == 5.0
        assert pause(measured(0.95), LIMIT, NONE) == pytest.approx(1.28)
        assert pause(measured(0.999), LIMIT, NONE) == pytest.approx(0.1)  # a twentieth of the time, and no more
        assert pause(measured(0.8, rate=float(GIB)), LIMIT, NONE) == pytest.approx(1.0)

    def test_never_costs_more_than_its_share(self) -> None:
        assert pause(measured(0.999, cost=0.5), LIMIT, NONE) == pytest.approx(10.0)

    def test_a_restricted_one_is_looked_at_for_its_tenant_to_go_on(self) -> None:
        assert pause(measured(0.96), LIMIT, READ_ONLY) == 1.0
        assert pause(measured(1.2), LIMIT, CLOSED) == 1.0


@dataclass
class Disks:
    """A runtime that knows disks only."""

    used: int = 0
    by_id: dict[str, int] = field(default_factory=dict)
    damaged: set[str] = field(default_factory=set)
    """The instances whose disk cannot be measured."""
    left: Capacity = field(default_factory=lambda: Capacity(250 * GIB, 100 * GIB))
    tolerances: list[int] = field(default_factory=list)
    """How much too small each figure that was asked for might have been."""
    stopped: list[str] = field(default_factory=list)

    def disk_used(self, instance_id: str, tolerance: int) -> int:
        if instance_id in self.damaged:
            raise ValueError("its files are damaged")
        self.tolerances.append(tolerance)
        return self.by_id.get(instance_id, self.used)

    def space(self) -> Capacity:
        return self.left

    def stop(self, instance_id: str, *, force: bool) -> None:
        assert force
        self.stopped.append(instance_id)


@pytest.fixture
def disks() -> Disks:
    return Disks()


@pytest.fixture
def database_id(service: Service, token: str) -> str:
    """A running redis-starter-256: 2,048 MB of disk."""
    request = CreateRequest("my-redis-db", "redis", "redis-starter-256")
    create(service, authentication.authenticate(service, token), request)
    get_ready(service)
    with service.store.read() as connection:
        return instances.list_monitored(connection)[0].database_id


@pytest.fixture
def watch(service: Service, disks: Disks, world: World) -> DiskMonitor:
    return make_monitor(service, disks, world)


def make_monitor(service: Service, disks: Disks, world: World) -> DiskMonitor:
    parts: Any = disks
    context = Context(
        service.store,
        service.catalogue,
        service.box,
        service.authority,
        parts,
        parts,
        parts,
        Metrics(),
        service.archive,
        service.clock,
    )
    return DiskMonitor(context, threading.Event(), world.wake)


def restriction(service: Service, database_id: str) -> Restriction:
    with service.store.read() as connection:
        instance = instances.get_primary(connection, database_id)
    assert instance is not None
    return instance.restriction


def finish(service: Service) -> None:
    operation = claim(service)
    assert operation.kind == OperationKind.CONFIGURE
    with service.store.tx() as connection:
        instance = instances.get_primary(connection, operation.database_id)
        assert instance is not None
        instances.set_applied_restriction(connection, instance.id, instance.restriction)
        operations.finish(connection, operation, service.clock())


class TestRunOnce:
    def test_restricts_by_an_operation_and_lifts_again(
        self, service: Service, disks: Disks, watch: DiskMonitor, database_id: str, world: World
    ) -> None:
        disks.used = 1950 * MIB
        wakes = world.wakes
        watch.run_once()
        assert restriction(service, database_id) is READ_ONLY
        assert world.wakes == wakes + 1
        watch.run_once()  # the operation is at work: nothing more is asked for
        finish(service)
        disks.used = 100 * MIB
        watch._due.clear()  # as if time had passed
        watch.run_once()
        assert restriction(service, database_id) is NONE
        finish(service)
        with service.store.read() as connection:
            assert operations.exclusive_of(connection, database_id) is None
            lifted, restricted, *_ = events.list_page(connection, events.of_database(database_id), 9, 0)
        assert (lifted.type, lifted.data["reason"]) == (EventType.DATABASE_UNRESTRICTED, None)
        assert (restricted.type, restricted.data["restriction"]) == (EventType.DATABASE_RESTRICTED, READ_ONLY)
        assert (restricted.username, restricted.account_id) == ("dbyard", None)

    def test_goes_on_during_an_operation_and_leaves_what_is_wanted(
        self, service: Service, disks: Disks, watch: DiskMonitor, database_id: str
    ) -> None:
        """The drift reconciler asks for what is not applied when the operation has ended."""
        with service.store.tx() as connection:
            operations.insert(connection, database_id, OperationKind.CONFIGURE, service.clock())
        disks.used = 1950 * MIB
        watch.run_once()
        assert restriction(service, database_id) is READ_ONLY
        with service.store.read() as connection:
            (unconfigured,) = instances.list_unconfigured(connection)
            assert sum(each.active for each, _ in operations.list_for(connection, database_id)) == 1
        assert unconfigured.database_id == database_id

    def test_goes_on_where_one_cannot_be_measured(
        self, service: Service, token: str, disks: Disks, watch: DiskMonitor, database_id: str
    ) -> None:
        request = CreateRequest("other-redis-db", "redis", "redis-starter-256")
        create(service, authentication.authenticate(service, token), request)
        get_ready(service)
        with service.store.read() as connection:
            (damaged,) = (each for each in instances.list_monitored(connection) if each.database_id != database_id)
        disks.damaged, disks.used = {damaged.id}, 1950 * MIB
        watch.run_once()
        assert restriction(service, database_id) is READ_ONLY
        assert restriction(service, damaged.database_id) is NONE

    def test_a_full_machine_stops_everybody(
        self, service: Service, disks: Disks, watch: DiskMonitor, database_id: str
    ) -> None:
        disks.left = Capacity(250 * GIB, GIB)
        watch.run_once()
        assert restriction(service, database_id) is READ_ONLY
        with service.store.read() as connection:
            instance = instances.get_primary(connection, database_id)
        assert instance is not None
        assert instance.restriction_reason == "the disk of the machine is nearly full"

    def test_another_start_lifts_nothing_before_there_is_enough_space(
        self,
        service: Service,
        disks: Disks,
        watch: DiskMonitor,
        database_id: str,
        world: World,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now)
        disks.left = Capacity(250 * GIB, GIB)
        watch.run_once()
        finish(service)
        disks.left = Capacity(250 * GIB, 5 * GIB // 2)  # as much as is needed, and not half as much again
        after = make_monitor(service, disks, world)
        for _ in range(12):
            after.run_once()
            assert restriction(service, database_id) is READ_ONLY
            now += 1.0
        disks.left = Capacity(250 * GIB, 10 * GIB)
        for _ in range(8):
            after.run_once()
            now += 1.0
        assert restriction(service, database_id) is NONE

    def test_who_fills_the_machine_is_stopped_first(
        self, service: Service, token: str, disks: Disks, watch: DiskMonitor, database_id: str
    ) -> None:
        request = CreateRequest("other-redis-db", "redis", "redis-starter-256")
        create(service, authentication.authenticate(service, token), request)
        get_ready(service)
        with service.store.read() as connection:
            found = {each.database_id: each.id for each in instances.list_monitored(connection)}
        watch.run_once()
        disks.by_id, disks.left = {found[database_id]: 500 * MIB}, Capacity(250 * GIB, GIB)
        watch._due.clear()
        watch.run_once()
        del found[database_id]
        assert restriction(service, database_id) is READ_ONLY
        assert [restriction(service, each) for each in found] == [NONE]

    def test_who_cannot_be_closed_and_goes_on_is_stopped_by_force(
        self, service: Service, disks: Disks, watch: DiskMonitor, database_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its tenant holds up the operation that would close it."""
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now)
        disks.used = 2100 * MIB
        watch.run_once()
        assert restriction(service, database_id) is CLOSED
        for _ in range(8):
            now += 1.0
            disks.used += 10 * MIB
            watch.run_once()
        (instance_id,) = watch._measured
        assert disks.stopped == [instance_id]

    def test_who_does_not_go_on_is_not_stopped(
        self, service: Service, disks: Disks, watch: DiskMonitor, database_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now)
        disks.used = 2100 * MIB
        for _ in range(20):
            watch.run_once()
            now += 1.0
        assert restriction(service, database_id) is CLOSED
        assert disks.stopped == []

    def test_may_miss_half_the_way_to_the_next_mark(self, disks: Disks, watch: DiskMonitor, database_id: str) -> None:
        assert database_id
        disks.used = 1000 * MIB
        watch.run_once()
        watch._due.clear()  # as if time had passed
        watch.run_once()
        limit = 2048 * MIB
        assert disks.tolerances == [0, disk.distance(disks.used, limit) // 2]

    def test_may_miss_nothing_of_a_restricted_one(
        self, service: Service, disks: Disks, watch: DiskMonitor, database_id: str
    ) -> None:
        assert database_id
        disks.used = 1990 * MIB
        watch.run_once()
        finish(service)
        watch._due.clear()
        watch.run_once()
        assert disks.tolerances == [0, 0]

    def test_stays_within_its_share_of_the_processor(self, disks: Disks, watch: DiskMonitor, database_id: str) -> None:
        assert database_id
        watch._credit = -10.0
        watch.run_once()
        assert disks.tolerances == []


class TestUsed:
    def test_of_one_that_was_just_measured(self, disks: Disks, watch: DiskMonitor, database_id: str) -> None:
        assert database_id
        disks.used = 100 * MIB
        watch.run_once()
        (instance_id,) = watch._measured
        disks.used = 150 * MIB
        assert watch.used(instance_id) == 100 * MIB

    def test_is_measured_once_a_second(self, disks: Disks, watch: DiskMonitor) -> None:
        disks.used = 100 * MIB
        assert [watch.used("busy") for _ in range(3)] == [100 * MIB] * 3
        assert len(disks.tolerances) == 1

    def test_what_was_asked_of_servers_that_are_gone_is_forgotten(self, disks: Disks, watch: DiskMonitor) -> None:
        watch.used("gone")
        watch.run_once()
        assert watch._shown == {}
