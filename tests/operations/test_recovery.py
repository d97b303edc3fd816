"""What nothing may turn into an endless loop: servers that recover for long, and trouble with one of many databases."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from dbyard.errors import NotReady, PermanentError, TemporaryError
from dbyard.model import (
    DAY,
    Applied,
    Desired,
    InstanceStatus,
    Operation,
    OperationKind,
    OperationStatus,
    RestartNeeded,
    Restriction,
)
from dbyard.operations import restored_state
from dbyard.reconciler.drift import DriftReconciler
from dbyard.service.databases import create
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import instances, operations
from tests.conftest import Clock
from tests.operations.conftest import FAKE_NAME
from tests.operations.fakes import FakeBench


@pytest.fixture
def drift(fake_bench: FakeBench) -> DriftReconciler:
    return DriftReconciler(fake_bench.context, fake_bench.queue._stopping, lambda: None)


def silent(_: Desired) -> Applied | RestartNeeded:
    raise NotReady("the database system is starting up")


def refuse(_: Desired) -> Applied | RestartNeeded:
    raise TemporaryError("no")


def argv_of(bench: FakeBench, instance_id: str) -> str:
    spec = bench.runtime.spec_of(instance_id)
    assert spec is not None
    return spec.server.argv[-1]


def restrict(bench: FakeBench, instance_id: str) -> None:
    with bench.context.store.tx() as connection:
        instances.set_restriction(connection, instance_id, Restriction.READ_ONLY, "full", 1.0)


def run_until(bench: FakeBench, clock: Clock, seconds: float) -> None:
    """Whatever is due, for so long."""
    end = clock.now + seconds
    while clock.now < end:
        if operation := bench.queue.claim():
            bench.run(operation)
        clock.advance(2.0)


class TestRecovery:
    """A server that was killed with much to recover answers nobody for minutes, and must be left to it."""

    @pytest.fixture(autouse=True)
    def _no_real_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dbyard.operations.server._POLL_SECONDS", 0.0)

    def test_is_not_disturbed(
        self, fake_bench: FakeBench, fake_instance: str, drift: DriftReconciler, clock: Clock
    ) -> None:
        restrict(fake_bench, fake_instance)
        drift.reconcile()
        fake_bench.engine.answer = silent
        fake_bench.runtime.end_process(fake_instance)
        run_until(fake_bench, clock, 5)
        starts = fake_bench.runtime.count_starts(fake_instance)
        for _ in range(3):
            run_until(fake_bench, clock, 650)
            drift.reconcile()
        assert fake_bench.runtime.count_starts(fake_instance) == starts == 2
        fake_bench.engine.answer = lambda _: Applied()
        run_until(fake_bench, clock, 60)
        with fake_bench.context.store.read() as connection:
            found = instances.should_run(connection, fake_instance)
        assert found is not None
        assert (found.down_at, found.applied_restriction) == (None, Restriction.READ_ONLY)

    def test_a_server_that_served_is_started_again_once(
        self, fake_bench: FakeBench, fake_instance: str, drift: DriftReconciler, clock: Clock
    ) -> None:
        restrict(fake_bench, fake_instance)
        drift.reconcile()
        clock.advance(30)  # the operation came late, which says nothing of the server
        fake_bench.engine.answer = silent
        run_until(fake_bench, clock, 10)
        assert fake_bench.runtime.count_starts(fake_instance) == 1
        run_until(fake_bench, clock, 10)
        assert fake_bench.runtime.count_starts(fake_instance) == 2
        for _ in range(3):
            run_until(fake_bench, clock, 650)
            drift.reconcile()
        assert fake_bench.runtime.count_starts(fake_instance) == 2


class TestClosed:
    """A server that was started for the platform alone, and never configured since: its tenant is let in at last."""

    @pytest.mark.parametrize("kind", [OperationKind.CONFIGURE, OperationKind.HEAL])
    def test_is_opened_after_the_operation_has_failed(
        self, fake_bench: FakeBench, fake_instance: str, drift: DriftReconciler, clock: Clock, kind: OperationKind
    ) -> None:
        fake_bench.runtime.end_process(fake_instance)
        with fake_bench.context.store.tx() as connection:
            (database,) = connection.execute("SELECT id FROM database").fetchall()
            step = "start" if kind == OperationKind.HEAL else None
            operations.insert(connection, database["id"], kind, clock.now, step=step, instance_id=fake_instance)
        failed = fake_bench.queue.claim()
        assert failed is not None
        if kind == OperationKind.HEAL:
            failed = replace(failed, result={"anew": True})
        fake_bench.engine.answer = refuse
        fake_bench.run(failed)
        run_until(fake_bench, clock, 1300)
        assert fake_bench.latest(failed).status is OperationStatus.ERROR
        assert argv_of(fake_bench, fake_instance) == "admin only"
        fake_bench.engine.answer = lambda _: Applied()
        drift.reconcile()
        run_until(fake_bench, clock, 60)
        assert argv_of(fake_bench, fake_instance) == "everybody"
        drift.reconcile()
        assert fake_bench.queue.claim() is None


class TestRestoredState:
    """A state that is older than the servers of its home."""

    def test_brings_servers_to_what_it_says_and_leaves_those_that_are_gone(
        self, fake_bench: FakeBench, fake_instance: str, drift: DriftReconciler, caplog: pytest.LogCaptureFixture
    ) -> None:
        create.create(fake_bench.service, fake_bench.principal, CreateRequest("other-db", "redis", "redis-starter-128"))
        fake_bench.run(fake_bench.claim())
        (other,) = set(fake_bench.runtime.list_instances()) - {fake_instance}
        fake_bench.runtime.destroy(other, 1)
        with caplog.at_level(logging.WARNING):
            restored_state.reconcile(fake_bench.context)
        assert "have their access again" in caplog.text
        operation = fake_bench.claim()
        assert (operation.kind, operation.instance_id) == (OperationKind.CONFIGURE, fake_instance)
        assert fake_bench.queue.claim() is None
        with fake_bench.context.store.read() as connection:
            found = {each.id: each for each in instances.list_should_run(connection)}
            assert [each.id for each in instances.list_unconfigured(connection)] == [fake_instance]
        assert "its directory is missing" in (found[other].down_reason or "")
        assert found[fake_instance].down_reason is None


class TestTroubleWithOne:
    def test_renews_the_certificates_of_the_others(
        self, fake_bench: FakeBench, fake_instance: str, drift: DriftReconciler, clock: Clock
    ) -> None:
        create.create(fake_bench.service, fake_bench.principal, CreateRequest("other-db", "redis", "redis-starter-128"))
        fake_bench.run(fake_bench.claim())
        restrict(fake_bench, fake_instance)
        drift.reconcile()
        with fake_bench.context.store.read() as connection:
            certificate = instances.certificate_of(connection, fake_instance)
        assert certificate is not None
        clock.now = certificate.ends_at - DAY
        drift._do_hourly()
        kinds = {self._active(fake_bench, each) for each in fake_bench.runtime.list_instances()}
        assert kinds == {OperationKind.CONFIGURE, OperationKind.RENEW_CERTIFICATE}
        run_until(fake_bench, clock, 61)
        drift._do_hourly()
        assert self._active(fake_bench, fake_instance) == OperationKind.RENEW_CERTIFICATE

    def test_heals_the_others(
        self, fake_bench: FakeBench, fake_instance: str, drift: DriftReconciler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        create.create(fake_bench.service, fake_bench.principal, CreateRequest("other-db", "redis", "redis-starter-128"))
        fake_bench.run(fake_bench.claim())
        (other,) = set(fake_bench.runtime.list_instances()) - {fake_instance}
        fake_bench.runtime.end_process(other)
        real = fake_bench.runtime.status

        def status(instance_id: str) -> InstanceStatus:
            if instance_id == fake_instance:
                raise ValueError("its files are damaged")
            return real(instance_id)

        monkeypatch.setattr(fake_bench.runtime, "status", status)
        drift.reconcile()
        assert self._active(fake_bench, other) == OperationKind.HEAL

    def test_ends_an_operation_that_cannot_be_tidied_up(
        self, fake_bench: FakeBench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        create.create(fake_bench.service, fake_bench.principal, CreateRequest(FAKE_NAME, "redis", "redis-starter-128"))

        def damaged(*_: object, **__: object) -> None:
            raise ValueError("its files are damaged")

        def refuse(_: Desired) -> Applied | RestartNeeded:
            raise PermanentError("no")

        fake_bench.engine.answer = refuse
        monkeypatch.setattr(fake_bench.runtime, "stop", damaged)
        operation = fake_bench.claim()
        with caplog.at_level(logging.CRITICAL):
            fake_bench.run(operation)
        assert fake_bench.latest(operation).status is OperationStatus.ERROR

    @staticmethod
    def _active(bench: FakeBench, instance_id: str) -> str | None:
        with bench.context.store.read() as connection:
            row = connection.execute("SELECT database_id FROM instance WHERE id = ?", (instance_id,)).fetchone()
            found: Operation | None = operations.exclusive_of(connection, row["database_id"])
        return found.kind if found else None
