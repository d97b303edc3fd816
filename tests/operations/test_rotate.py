"""rotate, step by step: whatever is killed, the password that stands with the credential gets to the server."""

from __future__ import annotations

import pytest
import redis

from dbyard.engines import redis as engine
from dbyard.errors import Conflict, NotReady
from dbyard.model import OperationKind, OperationStatus
from dbyard.reconciler.drift import DriftReconciler
from dbyard.service.databases import database_users
from dbyard.service.databases.connection import get as get_connection
from tests.conftest import Clock
from tests.operations.conftest import NAME, Bench


@pytest.fixture
def database_id(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database that runs. Nobody waits for its operations."""
    monkeypatch.setattr(database_users, "_RESET_SECONDS", 0.0)
    database_id = bench.create()
    bench.finish()
    return database_id


@pytest.fixture
def sweep(bench: Bench) -> DriftReconciler:
    return DriftReconciler(bench.context, bench.queue._stopping, lambda: None)


def reset(bench: Bench) -> str:
    """The old URL."""
    old = get_connection(bench.service, bench.principal, NAME).url
    database_users.reset_password(bench.service, bench.principal, NAME, "default")
    return old


def lets_in(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except redis.AuthenticationError:
            return False


class TestApply:
    def test_replaces_the_password(self, bench: Bench, database_id: str) -> None:
        old, pid = reset(bench), bench.pid(bench.instance(database_id))
        assert lets_in(old)
        bench.finish()
        assert bench.answers()
        assert not lets_in(old)
        assert bench.pid(bench.instance(database_id)) == pid

    def test_twice_is_as_once(self, bench: Bench, database_id: str) -> None:
        reset(bench)
        operation = bench.claim()
        bench.act(operation)
        with pytest.raises(Conflict, match="gets a new password"):
            get_connection(bench.service, bench.principal, NAME)
        bench.queue.run(operation)
        assert bench.answers()

    def test_starts_a_server_that_does_not_run(self, bench: Bench, database_id: str) -> None:
        old = reset(bench)
        bench.stop(bench.instance(database_id).id)
        bench.finish()
        assert bench.answers()
        assert not lets_in(old)

    def test_starts_again_a_server_that_reads_its_users_at_its_start(
        self, bench: Bench, database_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old, pid = reset(bench), bench.pid(bench.instance(database_id))
        real, told = engine.rotate, iter([False, True])
        monkeypatch.setattr(engine, "rotate", lambda *to: real(*to) and next(told))
        operation = bench.advance(bench.claim())
        assert operation.step == "stop"
        bench.act(operation)  # killed before it is recorded
        bench.queue.run(operation)
        assert bench.pid(bench.instance(database_id)) != pid
        assert bench.answers()
        assert not lets_in(old)


class TestFailure:
    def test_is_not_the_end(
        self, bench: Bench, database_id: str, sweep: DriftReconciler, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reset(bench)
        failed = bench.claimable()
        with monkeypatch.context() as patch:
            patch.setattr(engine, "rotate", _refuse)
            bench.finish()
            clock.advance(700)
            bench.finish()
        assert (bench.latest(failed).status, bench.latest(failed).error_code) == (OperationStatus.ERROR, "deadline")
        with pytest.raises(Conflict):
            get_connection(bench.service, bench.principal, NAME)
        sweep.sweep()
        assert bench.claimable().kind is OperationKind.ROTATE
        bench.finish()
        assert bench.answers()
        sweep.sweep()
        assert bench.queue.claim() is None

    def test_of_a_server_that_dies_is_not_only_healed(
        self, bench: Bench, database_id: str, sweep: DriftReconciler, clock: Clock
    ) -> None:
        reset(bench)
        clock.advance(700)
        bench.finish()
        sweep.server_ended(bench.instance(database_id).id)
        assert bench.claimable().kind is OperationKind.ROTATE


def _refuse(*_: object) -> bool:
    raise NotReady("nobody answers")
