"""A machine whose clock is set: waits and deadlines go on as if nothing had happened."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from dbyard.clocks import steady_clock
from dbyard.errors import NotReady
from dbyard.model import DAY, Desired, OperationKind, OperationStatus, RestartNeeded
from dbyard.operations import Next, Wait
from dbyard.operations.kinds import KINDS
from dbyard.reconciler.drift import DriftReconciler
from dbyard.service.databases import create, status
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import Store, operations
from tests.conftest import Clock
from tests.operations.fakes import FakeBench

NAME, PLAN = "timed-db", "redis-starter-128"
JUMPS = [-DAY, DAY, -3600.0, 3600.0]


@dataclass
class Machine:
    """Its own clock, which can be set, and the time since it was booted, which cannot."""

    clock: Clock
    boot: Clock = field(default_factory=lambda: Clock(1_800_000_000.0))

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.boot.advance(seconds)


@pytest.fixture
def machine(clock: Clock) -> Machine:
    return Machine(clock)


@pytest.fixture
def store(empty_state: Path, tmp_path: Path, machine: Machine) -> Iterator[Store]:
    store = Store(shutil.copyfile(empty_state, tmp_path / "state.db"), steady=machine.boot)
    yield store
    store.close()


@pytest.fixture
def waiting(fake_bench: FakeBench, monkeypatch: pytest.MonkeyPatch) -> FakeBench:
    """A create that waits for ten seconds between two looks."""
    create.create(fake_bench.service, fake_bench.principal, CreateRequest(NAME, "redis", PLAN))
    steps = dict(KINDS[OperationKind.CREATE].steps)
    monkeypatch.setitem(KINDS[OperationKind.CREATE].steps, "configure", lambda *_: Wait(10.0, "not yet"))
    fake_bench.run(fake_bench.claim())
    monkeypatch.setitem(KINDS[OperationKind.CREATE].steps, "configure", steps["configure"])
    return fake_bench


class TestJump:
    @pytest.mark.parametrize("jump", JUMPS)
    def test_while_an_operation_waits_changes_nothing(self, waiting: FakeBench, machine: Machine, jump: float) -> None:
        machine.clock.advance(jump)
        assert waiting.queue.claim() is None
        machine.advance(11)
        operation = waiting.claim()
        waiting.run(operation)
        assert waiting.latest(operation).status is OperationStatus.DONE

    @pytest.mark.parametrize("jump", JUMPS)
    def test_in_the_middle_of_a_step_neither_ends_nor_delays_it(
        self, fake_bench: FakeBench, machine: Machine, jump: float
    ) -> None:
        create.create(fake_bench.service, fake_bench.principal, CreateRequest(NAME, "redis", PLAN))
        operation = fake_bench.claim()
        machine.clock.advance(jump)
        fake_bench.run(operation)
        assert fake_bench.latest(operation).status is OperationStatus.DONE

    @pytest.mark.parametrize("jump", JUMPS)
    def test_over_a_restart_delays_by_half_a_minute_at_most(
        self, waiting: FakeBench, machine: Machine, jump: float
    ) -> None:
        """The steady clock begins anew with the machine's, which may be another one by then."""
        machine.clock.advance(jump)
        machine.boot.advance(jump)
        waiting.queue.void_claims()
        machine.advance(31)
        operation = waiting.claim()
        waiting.run(operation)
        assert waiting.latest(operation).status is OperationStatus.DONE

    @pytest.mark.parametrize("jump", JUMPS)
    def test_keeps_stamps_by_the_machines_clock(self, waiting: FakeBench, machine: Machine, jump: float) -> None:
        machine.clock.advance(jump)
        machine.advance(11)
        operation = waiting.claim()
        waiting.run(operation)
        assert waiting.latest(operation).finished_at == machine.clock()

    def test_back_does_not_slow_heals_down(self, fake_bench: FakeBench, fake_instance: str, machine: Machine) -> None:
        drift = DriftReconciler(fake_bench.context, fake_bench.queue._stopping, lambda: None)
        for _ in range(6):
            fake_bench.runtime.end_process(fake_instance)
            drift.reconcile()
            machine.advance(31)
            fake_bench.run(fake_bench.claim())
        machine.clock.advance(-DAY)
        fake_bench.runtime.end_process(fake_instance)
        drift.reconcile()
        assert fake_bench.claim().kind == OperationKind.HEAL

    def test_back_does_not_show_a_change_of_plan_for_a_day(
        self, fake_bench: FakeBench, fake_instance: str, store: Store, machine: Machine
    ) -> None:
        assert fake_instance
        with store.tx() as connection:
            (row,) = connection.execute("SELECT id FROM database").fetchall()
            operations.insert(connection, row["id"], OperationKind.RESIZE, machine.clock())
        operation = fake_bench.claim()
        with store.tx() as connection:
            operations.finish(connection, operation, machine.clock())
        machine.clock.advance(-DAY)
        found = status.get_overview(fake_bench.service, fake_bench.principal, row["id"])
        assert found.report.status == "running"

    @pytest.mark.parametrize("jump", JUMPS)
    def test_does_not_restart_a_server_that_is_asked_to_wait(
        self, fake_bench: FakeBench, fake_instance: str, store: Store, machine: Machine, jump: float
    ) -> None:
        """As one that is silent for a moment, which is not as long as the clock says."""
        assert fake_instance
        asked: list[Desired] = []

        def answer(desired: Desired) -> RestartNeeded:
            asked.append(desired)
            machine.clock.advance(jump)
            return RestartNeeded("it needs one")

        fake_bench.engine.answer = answer
        with store.tx() as connection:
            (row,) = connection.execute("SELECT id FROM database").fetchall()
            operations.insert(connection, row["id"], OperationKind.CONFIGURE, machine.clock())
        operation = fake_bench.queue._advance(fake_bench.claim())
        assert operation is not None
        assert operation.step == "stop"
        assert operation.deadline_at > machine.boot()

    @pytest.mark.parametrize("since", [-DAY, -3600.0, 3600.0, DAY])
    def test_over_a_restart_is_no_silence_of_a_server(
        self, fake_bench: FakeBench, fake_instance: str, store: Store, machine: Machine, since: float
    ) -> None:
        """Since when it was silent was noted before the platform's start, by another clock."""

        def silent(_: Desired) -> RestartNeeded:
            raise NotReady("it does not answer")

        fake_bench.engine.answer = silent
        with store.tx() as connection:
            (row,) = connection.execute("SELECT id FROM database").fetchall()
            operations.insert(
                connection, row["id"], OperationKind.CONFIGURE, machine.clock(), instance_id=fake_instance
            )
        noted = replace(fake_bench.claim(), result={"silent_since": machine.boot() + since})
        outcome = fake_bench.act(noted)
        assert isinstance(outcome, Next)
        assert (outcome.step, outcome.result) == ("apply", {"silent_since": machine.boot()})


class TestSteadyClock:
    def test_goes_on_when_the_clock_is_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock, before = steady_clock(), time.time()
        first = clock()
        monkeypatch.setattr(time, "time", lambda: before - DAY)
        assert first <= clock() < first + 60
        assert abs(first - before) < 60
