"""Who is restricted when, and how often a disk is looked at."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any, cast

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
    decide_for_machine,
    is_current,
    may_have_grown,
    pause,
)
from dbyard.runtimes import Runtime
from dbyard.service import Service
from dbyard.service.accounts import authentication
from dbyard.service.databases.create import create
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import events, instances, operations
from tests.builders import claim, get_ready
from tests.conftest import World

NONE, READ_ONLY, CLOSED = Restriction
LIMIT = 10 * GIB


def measured(share: float, cpu: float | None = 0.0, rate: float = 0.0, cost: float = 0.005) -> Measured:
    return Measured(0.0, int(share * LIMIT), cpu, rate, cost)


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


class TestDecideForMachine:
    @pytest.mark.parametrize(
        ("current", "free", "wanted"),
        [
            (NONE, 3 * GIB, NONE),
            (NONE, GIB, READ_ONLY),
            (NONE, 300 * MIB, CLOSED),
            (READ_ONLY, 2500 * MIB, READ_ONLY),
            (READ_ONLY, 4 * GIB, NONE),
            (CLOSED, 600 * MIB, CLOSED),
            (CLOSED, 900 * MIB, READ_ONLY),
        ],
    )
    def test_by_what_is_left(self, current: Restriction, free: int, wanted: Restriction) -> None:
        assert decide_for_machine(current, Capacity(250 * GIB, free)) is wanted

    def test_a_small_disk_keeps_a_share(self) -> None:
        assert decide_for_machine(NONE, Capacity(10 * GIB, 600 * MIB)) is NONE
        assert decide_for_machine(NONE, Capacity(10 * GIB, 400 * MIB)) is READ_ONLY


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


class TestMayHaveGrown:
    def test_not_without_processor_time(self) -> None:
        assert not may_have_grown(measured(0.5), 0.001, 10.0, LIMIT)
        assert may_have_grown(measured(0.5), 2.0, 10.0, LIMIT)

    def test_sooner_near_a_mark(self) -> None:
        assert not may_have_grown(measured(0.1), 0.1, 10.0, LIMIT)
        assert may_have_grown(measured(0.9499), 0.1, 10.0, LIMIT)

    def test_whenever_it_cannot_be_told(self) -> None:
        assert may_have_grown(measured(0.1), None, 1.0, LIMIT)
        assert may_have_grown(measured(0.1, cpu=None), 0.0, 1.0, LIMIT)
        assert may_have_grown(measured(0.1), 0.0, disk.MOST_AGE + 1, LIMIT)


@dataclass
class Disks:
    """A runtime that knows disks only."""

    used: int = 0
    cpu: float | None = None
    left: Capacity = field(default_factory=lambda: Capacity(250 * GIB, 100 * GIB))
    looked: int = 0

    def disk(self, _instance_id: str) -> int:
        self.looked += 1
        return self.used

    def cpu_seconds(self, _instance_id: str) -> float | None:
        return self.cpu

    def space(self) -> Capacity:
        return self.left


@pytest.fixture
def disks() -> Disks:
    return Disks()


@pytest.fixture
def database_id(service: Service, token: str) -> str:
    """A running redis-starter-256: 2,048 MB of disk."""
    create(
        service, authentication.authenticate(service, token), CreateRequest("my-redis-db", "redis", "redis-starter-256")
    )
    get_ready(service)
    with service.store.read() as connection:
        return instances.list_watched(connection)[0].database_id


@pytest.fixture
def watch(service: Service, disks: Disks, world: World) -> DiskMonitor:
    parts: Any = cast(Runtime, disks)
    context = Context(
        service.store,
        service.catalogue,
        service.box,
        service.authority,
        parts,
        world.installed,
        Metrics(),
        service.clock,
    )
    return DiskMonitor(context, threading.Event(), world.wake)


def restriction(service: Service, database_id: str) -> Restriction:
    with service.store.read() as connection:
        instance = instances.get_for(connection, database_id)
    assert instance is not None
    return instance.restriction


def finish(service: Service) -> None:
    operation = claim(service)
    assert operation.kind is OperationKind.RESTRICT
    with service.store.tx() as connection:
        operations.finish(connection, operation, service.clock())


class TestLook:
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
        watch.run_once()
        assert restriction(service, database_id) is NONE
        finish(service)
        with service.store.read() as connection:
            assert operations.active_id(connection, database_id) is None
            lifted, restricted, *_ = events.list_page(connection, events.of_database(database_id), 9, 0)
        assert (lifted.type, lifted.data["reason"]) == (EventType.DATABASE_UNRESTRICTED, None)
        assert (restricted.type, restricted.data["restriction"]) == (EventType.DATABASE_RESTRICTED, READ_ONLY)
        assert (restricted.username, restricted.account_id) == ("dbyard", None)

    def test_asks_again_for_what_could_not_be_applied(
        self, service: Service, disks: Disks, watch: DiskMonitor, database_id: str
    ) -> None:
        disks.used = 1950 * MIB
        watch.run_once()
        operation = claim(service)
        with service.store.tx() as connection:
            operations.fail(connection, operation, service.clock(), "deadline", "not done in time")
        watch.run_once()
        with service.store.read() as connection:
            assert operations.active_id(connection, database_id) not in (None, operation.id)

    def test_a_full_machine_stops_everybody(
        self, service: Service, disks: Disks, watch: DiskMonitor, database_id: str
    ) -> None:
        disks.left = Capacity(250 * GIB, GIB)
        watch.run_once()
        assert restriction(service, database_id) is READ_ONLY
        with service.store.read() as connection:
            instance = instances.get_for(connection, database_id)
        assert instance is not None
        assert instance.restriction_reason == "the disk of the machine is nearly full"

    def test_an_idle_server_is_measured_once(self, disks: Disks, watch: DiskMonitor, database_id: str) -> None:
        assert database_id
        disks.cpu = 1.0
        for _ in range(5):
            watch._due.clear()  # as if time had passed
            watch.run_once()
        assert disks.looked == 1
        disks.cpu = 3.0
        watch._due.clear()
        watch.run_once()
        assert disks.looked == 2

    def test_stays_within_its_share_of_the_processor(self, disks: Disks, watch: DiskMonitor, database_id: str) -> None:
        assert database_id
        watch._credit = -10.0
        watch.run_once()
        assert disks.looked == 0


class TestUsed:
    def test_of_an_idle_server_is_what_was_measured(self, disks: Disks, watch: DiskMonitor, database_id: str) -> None:
        assert database_id
        disks.used, disks.cpu = 100 * MIB, 1.0
        watch.run_once()
        (instance_id,) = watch._measured
        disks.used, disks.cpu = 150 * MIB, 1.001
        assert watch.used(instance_id) == 100 * MIB
        assert disks.looked == 1

    def test_of_one_that_may_have_written_is_measured_once_a_second(self, disks: Disks, watch: DiskMonitor) -> None:
        disks.used, disks.cpu = 100 * MIB, None
        assert [watch.used("busy") for _ in range(3)] == [100 * MIB] * 3
        assert disks.looked == 1

    def test_what_was_asked_of_servers_that_are_gone_is_forgotten(self, disks: Disks, watch: DiskMonitor) -> None:
        watch.used("gone")
        watch.run_once()
        assert watch._asked == {}

    def test_a_figure_is_current_until_it_could_show(self) -> None:
        last = Measured(0.0, 0, 1.0, 0.0, 0.0)
        assert is_current(last, None, 0.9)
        assert not is_current(last, None, 1.1)
        assert is_current(last, 1.007, 100.0)
        assert not is_current(last, 1.009, 100.0)
        assert not is_current(last, 1.0, disk.MOST_AGE + 1)
