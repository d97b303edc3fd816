"""create, step by step: what each does, that doing it twice changes nothing, and what a killed platform leaves."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from dbyard.errors import Conflict, PermanentError
from dbyard.model import Operation, OperationStatus, Release
from dbyard.operations import Done, Next, Wait, create, server
from dbyard.runtimes.local import members, processes
from dbyard.service.databases import connection as connections
from dbyard.store import instances
from tests.conftest import Clock
from tests.e2e.platforms import claimed_ports
from tests.operations.conftest import NAME, SECONDS, Bench

Play = Callable[[str], None]


def next_step(outcome: object) -> str:
    assert isinstance(outcome, Next), outcome
    return outcome.step


class TestAllocate:
    def test_gives_the_instance_a_place(self, bench: Bench) -> None:
        instance = bench.instance(bench.create())
        assert instance.placement is None
        operation = bench.claim()
        assert bench.advance(operation).step == "start"
        placed = bench.instance(operation.database_id)
        given = bench.runtime.allocate(placed.id, 1, Release("redis", "7.0", placed.full_version))
        assert (placed.placement, placed.lineage) == (given.placement, given.lineage)
        with bench.context.store.read() as connection:
            certificate = instances.certificate_of(connection, placed.id)
        assert certificate is not None
        assert certificate.ends_at > time.time()

    def test_twice_gives_the_same(self, bench: Bench) -> None:
        bench.create()
        operation = bench.claim()
        bench.act(operation)
        before = bench.runtime.list_instances(), claimed_ports(bench.home)
        bench.advance(operation)
        assert (bench.runtime.list_instances(), claimed_ports(bench.home)) == before

    def test_records_nothing_by_itself(self, bench: Bench) -> None:
        bench.create()
        operation = bench.claim()
        bench.act(operation)
        assert bench.instance(operation.database_id).placement is None
        assert bench.latest(operation).step == "allocate"


class TestStart:
    def test_starts_the_server(self, bench: Bench) -> None:
        bench.create()
        operation = bench.advance(bench.advance_to("start"))
        assert operation.step == "configure"
        assert bench.is_running(bench.instance(operation.database_id))

    def test_twice_leaves_the_server_alone(self, bench: Bench) -> None:
        bench.create()
        operation = bench.advance_to("start")
        bench.act(operation)
        pid = bench.pid(bench.instance(operation.database_id))
        bench.act(operation)
        assert bench.pid(bench.instance(operation.database_id)) == pid

    def test_moves_away_from_a_port_that_is_taken(self, bench: Bench) -> None:
        bench.create()
        operation = bench.advance_to("start")
        taken = bench.address(operation.database_id)
        with socket.create_server((taken.host, taken.port)):
            again = bench.advance(operation)
            assert again.step == "start"
            assert bench.address(operation.database_id).port != taken.port
            assert bench.advance(again).step == "configure"

    def test_moves_once_when_it_was_killed_between_moving_and_recording(self, bench: Bench) -> None:
        bench.create()
        operation = bench.advance_to("start")
        taken = bench.address(operation.database_id)
        with socket.create_server((taken.host, taken.port)):
            bench.act(operation)  # moved, and nothing recorded
            bench.advance(operation)
            assert bench.is_running(bench.instance(operation.database_id))
        assert bench.address(operation.database_id) != taken


class TestConfigure:
    def test_lets_the_tenant_in_and_makes_the_database_usable(self, bench: Bench, clock: Clock) -> None:
        bench.create()
        operation = bench.advance_to("configure")
        with pytest.raises(Conflict):
            connections.get(bench.service, bench.principal, NAME)
        assert bench.queue._advance(operation) is None
        assert bench.latest(operation).status is OperationStatus.DONE
        assert bench.instance(operation.database_id).ready_at == clock()
        assert bench.answers()

    def test_twice_changes_nothing(self, bench: Bench) -> None:
        bench.create()
        operation = bench.advance_to("configure")
        assert isinstance(bench.act(operation), Done)
        assert isinstance(bench.act(operation), Done)

    def test_starts_a_server_that_died_meanwhile(self, bench: Bench) -> None:
        bench.create()
        operation = bench.advance_to("configure")
        instance = bench.instance(operation.database_id)
        bench.act(operation)
        bench.stop(instance.id)
        assert isinstance(bench.act(operation), Done)
        assert bench.is_running(instance)

    def test_moves_when_the_port_of_one_that_died_is_taken(self, bench: Bench) -> None:
        bench.create()
        operation = bench.advance_to("configure")
        instance = bench.instance(operation.database_id)
        bench.stop(instance.id)
        address = bench.address(operation.database_id)
        with socket.create_server((address.host, address.port)):
            assert next_step(bench.act(operation)) == "start"

    def test_waits_for_one_that_does_not_answer_and_says_what_it_printed(
        self, bench: Bench, play: Play, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server, "_POLL_SECONDS", 0.3)
        play("echo thinking about it; while :; do sleep 1000; done")
        bench.create()
        outcome = bench.act(bench.advance_to("configure"))
        assert isinstance(outcome, Wait)
        assert "thinking about it" in outcome.reason

    def test_leaves_a_history_of_all_steps(self, bench: Bench) -> None:
        bench.create()
        operation = bench.claim()
        bench.queue.run(operation)
        assert bench.history(operation) == [(step, "done", "") for step in ("allocate", "start", "configure")]


class TestNeverReady:
    """The clock of the platform is the test's, so two minutes pass at once."""

    def test_ends_in_error_with_the_last_log_lines(
        self, bench: Bench, clock: Clock, play: Play, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(server, "_POLL_SECONDS", 0.3)
        play("echo thinking about it; while :; do sleep 1000; done")
        ended = self.run(bench, clock)
        assert ended.error_code == "deadline"
        assert ended.error is not None
        assert "thinking about it" in ended.error

    def test_and_dying_ends_in_error_with_the_cause(self, bench: Bench, clock: Clock, play: Play) -> None:
        play("sleep 0.2; echo no idea how to serve >&2; exit 3")
        ended = self.run(bench, clock)
        assert ended.error is not None
        assert "no idea how to serve" in ended.error

    def run(self, bench: Bench, clock: Clock) -> Operation:
        bench.create()
        operation = bench.claimable()
        while bench.latest(operation).status in (OperationStatus.PENDING, OperationStatus.RUNNING):
            bench.finish()
            clock.advance(20)
        ended = bench.latest(operation)
        assert ended.status is OperationStatus.ERROR
        assert ended.finished_at is not None
        assert ended.finished_at <= ended.deadline_at + 20
        instance = bench.instance(ended.database_id)
        assert not bench.is_running(instance)
        # It was killed, and the kernel takes a moment for that.
        gone = processes.wait_until(lambda: not members.list_members(bench.runtime._home, instance.id), SECONDS)
        assert gone
        with pytest.raises(Conflict, match="does not run"):
            connections.get(bench.service, bench.principal, NAME)
        return ended


class TestRestart:
    def test_takes_up_a_step_that_nobody_ended(self, bench: Bench) -> None:
        bench.create()
        killed = bench.advance_to("configure")
        assert bench.queue.claim() is None
        bench.queue.void_claims()
        assert bench.claim().step == "configure"
        assert bench.queue._advance(killed) is None  # its claim is void
        assert bench.latest(killed).step == "configure"

    def test_gives_the_time_back_in_which_nobody_worked(self, bench: Bench, clock: Clock) -> None:
        bench.create()
        operation = bench.claimable()
        clock.advance(3600)
        bench.queue.void_claims()
        bench.finish()
        assert bench.latest(operation).status is OperationStatus.DONE
        assert bench.answers()


class TestFailure:
    def test_of_a_database_that_is_gone_does_nothing(self, bench: Bench) -> None:
        bench.create()
        create.on_failure(bench.context, replace(bench.claim(), database_id="gone"), "failed")

    def test_says_which_server_is_missing(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        bench.create()
        monkeypatch.setattr(bench.runtime, "resolve", lambda *_: None)
        with pytest.raises(PermanentError, match="dbyard engines install redis"):
            create.allocate(bench.context, bench.claim())
