"""configure, step by step: whatever is killed, what is wanted gets to the server, and no tenant can hold it."""

from __future__ import annotations

import pytest
import redis

from dbyard.engines import redis as engine
from dbyard.errors import Conflict, LockedOut, TemporaryError
from dbyard.model import (
    Address,
    Applied,
    Credentials,
    Desired,
    Instance,
    OperationKind,
    OperationStatus,
    RestartNeeded,
    Restriction,
)
from dbyard.reconciler.drift import DriftReconciler
from dbyard.service.databases import database_users, settings
from dbyard.service.databases.connection import get as get_connection
from dbyard.store import Connection, instances
from tests.conftest import Clock
from tests.operations.conftest import NAME, Bench


@pytest.fixture
def database_id(bench: Bench) -> str:
    """A database that runs."""
    database_id = bench.create()
    bench.finish()
    return database_id


@pytest.fixture
def drift(bench: Bench) -> DriftReconciler:
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
        with pytest.raises(Conflict, match="is being configured"):
            get_connection(bench.service, bench.principal, NAME)
        bench.queue.run(operation)
        assert bench.answers()

    def test_starts_a_server_that_does_not_run(self, bench: Bench, database_id: str) -> None:
        old = reset(bench)
        bench.stop(bench.instance(database_id).id)
        bench.finish()
        assert bench.answers()
        assert not lets_in(old)

    def test_starts_again_a_server_that_takes_it_only_then(
        self, bench: Bench, database_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old, pid = reset(bench), bench.pid(bench.instance(database_id))
        real, answers = engine.configure, iter([RestartNeeded("users stand in files")])
        monkeypatch.setattr(engine, "configure", lambda *to: next(answers, None) or real(*to))
        operation = bench.advance(bench.claim())
        assert operation.step == "stop"
        bench.act(operation)  # killed before it is recorded
        bench.queue.run(operation)
        assert bench.pid(bench.instance(database_id)) != pid
        assert bench.answers()
        assert not lets_in(old)

    def test_is_what_was_wanted_when_it_began(self, bench: Bench, database_id: str) -> None:
        """A restriction that comes meanwhile is not taken for applied."""
        reset(bench)
        operation = bench.claim()
        outcome = bench.act(operation)
        with bench.context.store.tx() as connection:
            instances.set_restriction(connection, bench.instance(database_id).id, Restriction.READ_ONLY, "full", 1.0)
        bench.queue._apply(operation, outcome)
        with bench.context.store.read() as connection:
            assert [each.id for each in instances.list_unconfigured(connection)] == [bench.instance(database_id).id]


class TestSettings:
    POLICY = "maxmemory-policy"

    def told(self, bench: Bench) -> str:
        with redis.Redis.from_url(get_connection(bench.service, bench.principal, NAME).url) as client:
            return str(client.config_get(self.POLICY)[self.POLICY])

    def choose(self, bench: Bench, value: str | None) -> None:
        settings.change(bench.service, bench.principal, NAME, {self.POLICY: value})

    def test_hold_at_once_and_after_a_heal(self, bench: Bench, database_id: str, drift: DriftReconciler) -> None:
        pid = bench.pid(bench.instance(database_id))
        self.choose(bench, "allkeys-lfu")
        bench.finish()
        assert (self.told(bench), bench.pid(bench.instance(database_id))) == ("allkeys-lfu", pid)
        bench.stop(bench.instance(database_id).id)
        drift.server_ended(bench.instance(database_id).id)
        bench.finish()
        assert self.told(bench) == "allkeys-lfu"
        self.choose(bench, None)
        bench.finish()
        assert self.told(bench) == "noeviction"
        drift.reconcile()
        assert bench.queue.claim() is None

    def test_that_did_not_get_to_the_server_are_asked_for_again(
        self, bench: Bench, database_id: str, drift: DriftReconciler, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.choose(bench, "allkeys-lfu")
        with monkeypatch.context() as patch:
            patch.setattr(engine, "configure", _refuse)
            bench.finish()
            clock.advance(700)
            bench.finish()
        drift.reconcile()
        bench.finish()
        assert self.told(bench) == "allkeys-lfu"


class TestUsers:
    def test_nothing_is_asked_for_twice(
        self, bench: Bench, database_id: str, drift: DriftReconciler, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The operation ends after the drift reconciler has looked, and before it asks."""
        request = database_users.UserRequest("reporting", True)
        database_users.create(bench.service, bench.principal, NAME, request)
        look = instances.list_unconfigured

        def look_and_let_it_end(connection: Connection) -> list[Instance]:
            found = look(connection)
            assert [each.database_id for each in found] == [database_id]
            bench.finish()
            return found

        monkeypatch.setattr(instances, "list_unconfigured", look_and_let_it_end)
        drift.reconcile()
        assert bench.queue.claim() is None

    def test_one_that_is_not_let_in_is_told(
        self, bench: Bench, database_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(address: Address, credentials: Credentials) -> None:
            assert credentials.user == "reporting"
            raise LockedOut("no way in")

        request = database_users.UserRequest("reporting")
        change = database_users.create(bench.service, bench.principal, NAME, request)
        with monkeypatch.context() as patch:
            patch.setattr(engine, "check_login", refuse)
            bench.finish()
        ended = database_users.look_after(bench.service, change)
        assert ended is not None
        assert (ended.operation_id, "no way in" in (ended.user.error or "")) == (None, True)
        database_users.reset_password(bench.service, bench.principal, NAME, "reporting")
        bench.finish()
        assert [each.error for each in database_users.list_all(bench.service, bench.principal, NAME)] == [None, None]


class TestHeld:
    """By a tenant: a lock, all connections, a script that never ends."""

    def test_ends_with_a_start_into_which_only_the_platform_can_log_in(
        self, bench: Bench, database_id: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        old, pid, real = reset(bench), bench.pid(bench.instance(database_id)), engine.configure
        asked: list[int] = []

        def held_while_it_runs(address: Address, admin: str, desired: Desired) -> Applied | RestartNeeded:
            asked.append(bench.pid(bench.instance(database_id)))
            if asked[-1] == pid:
                raise TemporaryError("a lock is held", code="held")
            return real(address, admin, desired)

        monkeypatch.setattr(engine, "configure", held_while_it_runs)
        operation = bench.claimable()
        while bench.latest(operation).active:
            bench.finish()
            clock.advance(20)
        assert asked.count(pid) == 3
        assert bench.latest(operation).status is OperationStatus.DONE
        assert ("apply", "held") in [(step, outcome) for step, outcome, _ in bench.history(operation)]
        assert bench.answers()
        assert not lets_in(old)

    def test_again_and_again_ends_in_an_error(
        self, bench: Bench, database_id: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reset(bench)
        monkeypatch.setattr(engine, "configure", _hold)
        operation = bench.claimable()
        while bench.latest(operation).active:
            bench.finish()
            clock.advance(20)
        failed = bench.latest(operation)
        assert (failed.status, failed.error_code, failed.result) == (OperationStatus.ERROR, "held", {"restarts": 2})


class TestFailure:
    def test_is_not_the_end(
        self, bench: Bench, database_id: str, drift: DriftReconciler, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reset(bench)
        failed = bench.claimable()
        with monkeypatch.context() as patch:
            patch.setattr(engine, "configure", _refuse)
            bench.finish()
            clock.advance(700)
            bench.finish()
        assert (bench.latest(failed).status, bench.latest(failed).error_code) == (OperationStatus.ERROR, "deadline")
        with pytest.raises(Conflict):
            get_connection(bench.service, bench.principal, NAME)
        drift.reconcile()
        assert bench.claimable().kind == OperationKind.CONFIGURE
        bench.finish()
        assert bench.answers()
        drift.reconcile()
        assert bench.queue.claim() is None

    def test_of_a_server_that_dies_comes_with_its_heal(
        self, bench: Bench, database_id: str, drift: DriftReconciler, clock: Clock
    ) -> None:
        old = reset(bench)
        clock.advance(700)
        bench.finish()
        bench.stop(bench.instance(database_id).id)
        drift.server_ended(bench.instance(database_id).id)
        assert bench.claimable().kind == OperationKind.HEAL
        bench.finish()
        assert bench.answers()
        assert not lets_in(old)


def _refuse(*_: object) -> Applied:
    raise TemporaryError("no")


def _hold(*_: object) -> Applied:
    raise TemporaryError("a lock is held", code="held")
