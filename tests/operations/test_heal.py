"""heal, step by step: the same endpoint and the same data, or a cause."""

from __future__ import annotations

import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from dbyard.errors import Conflict, PermanentError
from dbyard.model import OperationKind, OperationStatus
from dbyard.operations import Next
from dbyard.reconciler.drift import DriftReconciler
from dbyard.runtimes.local.processes import wait_until
from dbyard.service.databases import status
from dbyard.service.databases.connection import get as get_connection
from dbyard.store import events
from tests.conftest import Clock
from tests.operations.conftest import NAME, Bench


@pytest.fixture
def dead(bench: Bench) -> str:
    """The id of a database whose server has just died; nothing has noticed it yet."""
    database_id = bench.create()
    bench.finish()
    bench.stop(bench.instance(database_id).id)
    return database_id


@pytest.fixture
def drift(bench: Bench) -> DriftReconciler:
    return DriftReconciler(bench.context, bench.queue._stopping, lambda: None)


class TestDrift:
    def test_heals_what_should_run(self, bench: Bench, dead: str, drift: DriftReconciler) -> None:
        drift.reconcile()
        operation = bench.claimable()
        assert (operation.kind, operation.database_id) == (OperationKind.HEAL, dead)
        with pytest.raises(Conflict, match="is being repaired"):
            get_connection(bench.service, bench.principal, NAME)
        bench.finish()
        assert bench.answers()

    def test_of_a_death_told_at_once_makes_one_operation(self, bench: Bench, dead: str, drift: DriftReconciler) -> None:
        drift.server_ended(bench.instance(dead).id)
        drift.server_ended(bench.instance(dead).id)
        drift.reconcile()
        assert bench.claimable().kind == OperationKind.HEAL

    def test_leaves_alone_what_runs(self, bench: Bench, dead: str, drift: DriftReconciler) -> None:
        drift.reconcile()
        bench.finish()
        drift.reconcile()
        assert bench.queue.claim() is None

    def test_leaves_alone_what_is_deleted(self, bench: Bench, dead: str, drift: DriftReconciler) -> None:
        bench.delete()
        bench.finish()
        drift.reconcile()
        assert bench.rows() == {}

    def test_asks_again_for_a_delete_that_did_not_end(
        self, bench: Bench, dead: str, drift: DriftReconciler, clock: Clock
    ) -> None:
        bench.delete()
        bench.queue._fail(bench.claim(), "deadline", "not done in time")
        drift.reconcile()
        clock.advance(60)
        bench.finish()
        assert bench.leftovers() == []

    def test_slows_down_a_server_that_dies_again_and_again(
        self, bench: Bench, dead: str, drift: DriftReconciler, clock: Clock
    ) -> None:
        delays = []
        for _ in range(6):
            drift.reconcile()
            delays.append(bench.claimable().run_at - clock())
            clock.advance(delays[-1])
            bench.finish()
            bench.stop(bench.instance(dead).id)
        assert delays[:3] == [0, 0, 0]
        assert delays == sorted(delays)
        assert delays[-1] > 0


class TestDiagnose:
    def test_says_why_the_server_ended(self, bench: Bench) -> None:
        bench.runtime.watch(lambda _: None)
        database_id = bench.create()
        bench.finish()
        instance = bench.instance(database_id)
        os.kill(bench.pid(instance), signal.SIGKILL)
        assert wait_until(lambda: not bench.is_running(instance), 10)
        DriftReconciler(bench.context, bench.queue._stopping, lambda: None).reconcile()
        operation = bench.claimable()
        bench.finish()
        assert bench.history(operation)[0] == (
            "diagnose", "server_killed", "the server was ended by signal 9 (Killed)",
        )  # fmt: skip
        with bench.context.store.read() as connection:
            newest, *_ = events.list_page(connection, events.of_database(database_id), 1, 0)
        cause = {"code": "server_killed", "message": "the server was ended by signal 9 (Killed)"}
        assert (newest.type, newest.data["operation"], newest.data["cause"]) == (
            "operation.done",
            "heal",
            cause,
        )
        ends = bench.context.metrics.render({}, {}).decode()
        assert 'dbyard_server_exits_total{cause="server_killed",technology="redis"} 1.0' in ends

    def test_of_a_server_that_runs_again_says_nothing(self, bench: Bench, dead: str, drift: DriftReconciler) -> None:
        drift.reconcile()
        operation = bench.advance_to("start")
        bench.act(operation)
        assert bench.act(replace(operation, step="diagnose")) == Next("start")


class TestDamage:
    """Of an append-only file, after an error of its disk."""

    @pytest.fixture
    def written(self, bench: Bench) -> Path:
        """The file of a database with three keys, whose server has died."""
        instance = bench.instance(bench.create())
        bench.finish()
        with redis.Redis.from_url(get_connection(bench.service, bench.principal, NAME).url) as client:
            for number in range(3):
                client.set(f"key-{number}", "x" * 100)
        bench.stop(instance.id)
        return bench.home / "instances" / instance.id / "data" / "appendonlydir" / "appendonly.aof.1.incr.aof"

    def test_at_its_end_is_cut_off_and_kept(
        self, bench: Bench, written: Path, drift: DriftReconciler, clock: Clock
    ) -> None:
        whole = written.read_bytes()
        with written.open("ab") as file:
            file.write(bytes(500))
        drift.reconcile()
        operation = bench.claimable()
        run(bench, clock)
        steps = [step for step, _, _ in bench.history(operation)]
        assert steps == ["diagnose", "start", "await_ready", "repair", "start", "await_ready", "configure"]
        with redis.Redis.from_url(get_connection(bench.service, bench.principal, NAME).url) as client:
            assert client.dbsize() == 3
        (kept,) = (written.parents[1] / "damaged").iterdir()
        assert kept.read_bytes() == bytes(500)
        assert written.read_bytes().startswith(whole)
        with bench.context.store.read() as connection:
            newest, *_ = events.list_page(connection, events.of_database(operation.database_id), 1, 0)
        assert "the last 500 bytes" in str(newest.data["repair"])
        assert not any((bench.home / "jobs").iterdir())

    def test_in_its_middle_is_left_and_told_of(
        self, bench: Bench, written: Path, drift: DriftReconciler, clock: Clock
    ) -> None:
        damaged = written.read_bytes().replace(b"$5\r\nkey-1", b"$x\r\nkey-1")
        written.write_bytes(damaged)
        drift.reconcile()
        operation = bench.claimable()
        run(bench, clock)
        latest = bench.latest(operation)
        assert (latest.status, latest.error_code) == (OperationStatus.PENDING, "data_damaged")
        assert latest.run_at > clock()
        assert "commands follow what is damaged" in str(latest.result["repair"])
        shown = status.get_overview(bench.service, bench.principal, NAME).report
        assert shown.status == "stopped"
        assert "cannot read its data" in str(shown.error)
        assert "Bad file format" in str(shown.error)
        assert written.read_bytes() == damaged

    def test_that_is_gone_again_is_no_longer_shown(
        self, bench: Bench, written: Path, drift: DriftReconciler, clock: Clock
    ) -> None:
        whole = written.read_bytes()
        written.write_bytes(whole.replace(b"$5\r\nkey-1", b"$x\r\nkey-1"))
        drift.reconcile()
        operation = bench.claimable()
        run(bench, clock)
        written.write_bytes(whole)
        clock.advance(60)
        run(bench, clock)
        assert bench.latest(operation).status is OperationStatus.DONE
        assert status.get_overview(bench.service, bench.principal, NAME).report.error is None


def run(bench: Bench, clock: Clock) -> None:
    """What is due, until nothing is; a step that waits for a job is due soon."""

    def is_settled() -> bool:
        if (operation := bench.queue.claim()) is not None:
            bench.queue.run(operation)
            return False
        with bench.context.store.read() as connection:
            row = connection.execute("SELECT error_code FROM operation WHERE status = 'pending'").fetchone()
        if row is None or row["error_code"] != "waiting":
            return True
        clock.advance(1)
        return False

    assert wait_until(is_settled, 20)


class TestStart:
    def test_keeps_the_endpoint(self, bench: Bench, dead: str, drift: DriftReconciler) -> None:
        before = bench.instance(dead)
        drift.reconcile()
        bench.finish()
        assert bench.instance(dead) == before
        assert bench.is_running(before)

    def test_says_that_the_port_is_taken_and_tries_again(
        self, bench: Bench, dead: str, drift: DriftReconciler, clock: Clock
    ) -> None:
        before, address = bench.instance(dead), bench.address(dead)
        drift.reconcile()
        operation = bench.claimable()
        with socket.create_server((address.host, address.port)):
            for attempt in (1, 2, 3):
                bench.finish()
                latest = bench.latest(operation)
                assert (latest.status, latest.error_code, latest.attempt) == (
                    OperationStatus.PENDING, "port_taken", attempt,
                )  # fmt: skip
                clock.advance(20)
        bench.finish()
        assert bench.latest(operation).status is OperationStatus.DONE
        assert bench.instance(dead) == before
        assert bench.address(dead) == address
        assert bench.answers()

    def test_twice_leaves_the_server_alone(self, bench: Bench, dead: str, drift: DriftReconciler) -> None:
        drift.reconcile()
        operation = bench.advance_to("start")
        bench.act(operation)
        pid = bench.pid(bench.instance(dead))
        bench.act(operation)
        assert bench.pid(bench.instance(dead)) == pid

    def test_of_a_lost_directory_is_an_error(self, bench: Bench, dead: str, drift: DriftReconciler) -> None:
        bench.runtime.destroy(bench.instance(dead).id, 1)
        drift.reconcile()
        operation = bench.advance_to("start")
        with pytest.raises(PermanentError, match="directory"):
            bench.act(operation)
