"""Every step of every kind may be killed after its effect and run again: all are tried, on a runtime in memory."""

from __future__ import annotations

import pytest

from dbyard.errors import Conflict, LockedOut, NotReady, TemporaryError, WrongPassword
from dbyard.model import (
    DAY,
    Address,
    Applied,
    Credentials,
    Desired,
    ExitStatus,
    InstanceState,
    OperationKind,
    OperationStatus,
    RestartNeeded,
    Restriction,
)
from dbyard.operations import server
from dbyard.reconciler.drift import DriftReconciler
from dbyard.service.databases import connection as connections
from dbyard.service.databases import create, database_users, databases, plan_changes, status
from dbyard.service.databases import operations as database_operations
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import instances, operations
from tests.conftest import Clock
from tests.operations.conftest import FAKE_NAME as NAME
from tests.operations.fakes import FakeBench


@pytest.fixture
def bench(fake_bench: FakeBench) -> FakeBench:
    return fake_bench


@pytest.fixture
def instance_id(fake_instance: str) -> str:
    return fake_instance


def drift(bench: FakeBench) -> None:
    DriftReconciler(bench.context, bench.queue._stopping, lambda: None).reconcile()


def is_done(bench: FakeBench, *, twice: bool = True) -> list[str]:
    operation = bench.claim()
    steps = bench.run(operation, twice=twice)
    assert bench.latest(operation).status is OperationStatus.DONE, bench.latest(operation)
    return steps


def test_create(bench: FakeBench) -> None:
    create.create(bench.service, bench.principal, CreateRequest(NAME, "redis", "redis-starter-128"))
    assert is_done(bench) == ["allocate", "start", "configure"]
    (instance,) = bench.runtime.list_instances()
    assert bench.runtime.count_inits(instance) == 1
    address = bench.runtime.listens(instance)
    found = connections.get(bench.service, bench.principal, NAME)
    assert address is not None
    assert (found.host, found.port) == (address.host, address.port)
    assert bench.engine.applied[-1].users[0].password == found.password


def test_heal(bench: FakeBench, instance_id: str) -> None:
    before = bench.runtime.listens(instance_id)
    bench.runtime.end_process(instance_id, ExitStatus(3, memory_kill=False))
    drift(bench)
    assert is_done(bench) == ["diagnose", "start", "await_ready", "configure"]
    assert bench.runtime.listens(instance_id) == before


def test_heal_of_one_that_is_stuck_in_stopping(bench: FakeBench, instance_id: str, clock: Clock) -> None:
    bench.runtime.hold(instance_id)
    bench.runtime.stop(instance_id)
    drift(bench)
    operation = bench.claim()
    bench.run(operation)
    assert bench.latest(operation).error == "the server is being stopped"
    clock.advance(60)
    assert is_done(bench) == ["diagnose", "start", "await_ready", "configure"]


def test_heal_with_a_restriction_applies_it_again(bench: FakeBench, instance_id: str) -> None:
    with bench.context.store.tx() as connection:
        instances.set_restriction(connection, instance_id, Restriction.READ_ONLY, "full", 1.0)
    bench.runtime.end_process(instance_id)
    drift(bench)
    assert is_done(bench) == ["diagnose", "start", "await_ready", "configure"]
    assert bench.engine.applied[-1].restriction is Restriction.READ_ONLY
    drift(bench)
    assert bench.queue.claim() is None


def test_configure(bench: FakeBench, instance_id: str) -> None:
    before = connections.get(bench.service, bench.principal, NAME)
    database_users.reset_password(bench.service, bench.principal, NAME, before.user)
    assert is_done(bench) == ["apply"]
    assert bench.engine.applied[-1].users[0].reset
    assert bench.engine.applied[-1].users[0].password == connections.get(bench.service, bench.principal, NAME).password
    spec = bench.runtime.spec_of(instance_id)
    assert spec is not None
    assert spec.server.argv[-1] == "everybody"


def test_configure_with_a_restart(bench: FakeBench, instance_id: str) -> None:
    """Into a server that only the platform can log in to; afterwards everybody can."""
    started: list[str] = []

    def only_then(_: Desired) -> Applied | RestartNeeded:
        spec = bench.runtime.spec_of(instance_id)
        assert spec is not None
        started.append(spec.server.argv[-1])
        return Applied() if len(started) > 2 else RestartNeeded("users stand in files")

    before = connections.get(bench.service, bench.principal, NAME)
    database_users.reset_password(bench.service, bench.principal, NAME, before.user)
    bench.engine.answer = only_then
    assert is_done(bench) == ["apply", "stop", "start", "apply"]
    assert set(started) == {"admin only", "hidden"}
    assert bench.runtime.status(instance_id).state is InstanceState.RUNNING


def test_configure_of_one_that_lets_its_tenant_in_by_another_start(
    bench: FakeBench, instance_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody gets its URL before that."""

    def admitted() -> str:
        spec = bench.runtime.spec_of(instance_id)
        return spec.server.argv[-1] if spec else ""

    def is_open(_: Address) -> bool:
        with pytest.raises(Conflict):
            connections.get(bench.service, bench.principal, NAME)
        return bench.runtime.status(instance_id).state is InstanceState.RUNNING

    def only_hidden(_: Desired) -> Applied | RestartNeeded:
        restarted = bench.runtime.count_starts(instance_id) > 1
        return Applied(hidden=True) if restarted else RestartNeeded("strangers are in the way")

    monkeypatch.setattr(server, "is_open", is_open)
    before = connections.get(bench.service, bench.principal, NAME)
    database_users.reset_password(bench.service, bench.principal, NAME, before.user)
    bench.engine.answer = only_hidden
    assert is_done(bench) == ["apply", "stop", "start", "apply", "reopen", "open"]
    assert admitted() == "everybody"
    assert connections.get(bench.service, bench.principal, NAME).password != before.password
    drift(bench)
    assert bench.queue.claim() is None


def test_a_restriction_that_a_heal_left_undone_comes_back(bench: FakeBench, instance_id: str, clock: Clock) -> None:
    with bench.context.store.tx() as connection:
        instances.set_restriction(connection, instance_id, Restriction.CLOSED, "full", 1.0)
    drift(bench)
    operation = bench.claim()
    bench.engine.answer = _refuse
    bench.run(operation)
    clock.advance(700)
    bench.run(bench.claim())
    assert bench.latest(operation).status is OperationStatus.ERROR
    bench.engine.answer = lambda _: Applied()
    drift(bench)
    assert is_done(bench) == ["apply"]


def test_resize_with_a_restart(bench: FakeBench, instance_id: str) -> None:
    bench.engine.answer = lambda _: RestartNeeded("the plan is set at a start")
    plan_changes.change_plan(bench.service, bench.principal, NAME, "redis-starter-256")
    assert is_done(bench) == ["resize", "stop", "start", "await_ready", "configure"]
    with bench.context.store.read() as connection:
        assert operations.exclusive_of(connection, databases.get(bench.service, bench.principal, NAME).id) is None


def full_version(bench: FakeBench) -> str:
    with bench.context.store.read() as connection:
        instance = instances.get_primary(connection, databases.get(bench.service, bench.principal, NAME).id)
    assert instance is not None
    return instance.full_version


@pytest.fixture
def newer(bench: FakeBench, instance_id: str) -> str:
    """The full version of a build that was installed after the database was made."""
    bench.runtime.builds["redis", "7.0"] = [full_version(bench), "7.0.99"]
    return "7.0.99"


def test_upgrade(bench: FakeBench, newer: str) -> None:
    before = connections.get(bench.service, bench.principal, NAME)
    database_operations.upgrade(bench.service, bench.principal, NAME)
    operation = bench.claim()
    assert bench.run(operation, twice=True) == ["stop", "start", "await_ready", "configure"]
    assert bench.latest(operation).result["chosen"] == full_version(bench) == newer
    assert connections.get(bench.service, bench.principal, NAME) == before


def test_an_upgrade_that_does_not_run_goes_back(bench: FakeBench, newer: str, clock: Clock) -> None:
    before = full_version(bench)
    database_operations.upgrade(bench.service, bench.principal, NAME)
    operation = bench.claim()
    bench.engine.answer = _refuse
    bench.run(operation)
    clock.advance(700)
    bench.run(bench.claim())
    assert bench.latest(operation).status is OperationStatus.ERROR
    assert full_version(bench) == before
    bench.engine.answer = lambda _: Applied()
    drift(bench)
    assert is_done(bench)[0] == "diagnose"


def test_renew_certificate_before_it_ends(bench: FakeBench, instance_id: str, clock: Clock) -> None:
    with bench.context.store.read() as connection:
        before = instances.certificate_of(connection, instance_id)
    assert before is not None
    reconciler = DriftReconciler(bench.context, bench.queue._stopping, lambda: None)
    clock.now = before.ends_at - 31 * DAY
    reconciler._do_hourly()
    assert bench.queue.claim() is None
    clock.now = before.ends_at - 29 * DAY
    reconciler._do_hourly()
    reconciler._hourly_at = 0.0
    reconciler._do_hourly()  # one is enough
    assert is_done(bench) == ["issue", "install"]
    assert bench.queue.claim() is None
    with bench.context.store.read() as connection:
        after = instances.certificate_of(connection, instance_id)
    assert after is not None
    assert after.certificate != before.certificate
    assert bench.engine.reloads > 0
    assert bench.runtime.listens(instance_id) is not None


def test_delete(bench: FakeBench, instance_id: str) -> None:
    databases.delete(bench.service, bench.principal, NAME, NAME)
    bench.run(bench.claim(), twice=True)
    assert bench.runtime.leftovers() == []


@pytest.mark.parametrize("kind", [OperationKind.HEAL, OperationKind.CONFIGURE])
def test_a_delete_ends_what_is_at_work(bench: FakeBench, instance_id: str, kind: str) -> None:
    database = databases.get(bench.service, bench.principal, NAME)
    with bench.context.store.tx() as connection:
        operations.insert(connection, database.id, kind, bench.service.clock())
    operation = bench.claim()
    databases.delete(bench.service, bench.principal, NAME, NAME)
    bench.run(operation)
    assert bench.latest(operation).error_code == "superseded"
    bench.run(bench.claim())
    assert bench.runtime.leftovers() == []


def _refuse(_: Desired) -> Applied | RestartNeeded:
    raise TemporaryError("no")


def repair(bench: FakeBench) -> str | None:
    """The database's error after a repair."""
    database_operations.repair(bench.service, bench.principal, NAME)
    assert is_done(bench) == ["apply"]
    return status.get_overview(bench.service, bench.principal, NAME).report.error


class TestRepair:
    """Of a tenant that its server does not let in."""

    def test_that_locked_itself_out(self, bench: FakeBench, instance_id: str) -> None:
        bench.engine.locked_out = LockedOut("no right to connect")
        assert repair(bench) is None
        assert [each.unlock for each in bench.engine.applied[-2:]] == [False, True]

    def test_that_has_set_its_own_password_leaves_all_as_it_is(self, bench: FakeBench, instance_id: str) -> None:
        bench.engine.locked_out = WrongPassword("another password")
        assert repair(bench) == "its tenant cannot use it (wrong_password): another password"
        assert not any(each.unlock for each in bench.engine.applied)

    def test_of_one_that_gets_in_changes_nothing(self, bench: FakeBench, instance_id: str) -> None:
        assert repair(bench) is None
        assert not any(each.unlock for each in bench.engine.applied)

    def test_comes_with_a_heal(self, bench: FakeBench, instance_id: str) -> None:
        bench.engine.locked_out = LockedOut("no right to connect")
        bench.runtime.end_process(instance_id)
        drift(bench)
        assert is_done(bench) == ["diagnose", "start", "await_ready", "configure"]
        assert bench.engine.applied[-1].unlock

    def test_that_is_held_up_does_not_keep_a_heal_from_its_end(
        self, bench: FakeBench, instance_id: str, clock: Clock
    ) -> None:
        def held(_: Desired) -> Applied:
            raise TemporaryError("all connections are taken", code="held")

        bench.engine.answer = held
        bench.runtime.end_process(instance_id)
        drift(bench)
        operation = bench.claim()
        bench.run(operation)
        for _ in range(10):
            clock.advance(10)
            if following := bench.queue.claim():
                bench.run(following)
        assert bench.latest(operation).status is OperationStatus.DONE


def test_heal_of_a_slow_one_that_runs_and_never_answers(
    bench: FakeBench, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its index of users cannot be read: a start for the platform alone makes another one."""
    create.create(bench.service, bench.principal, CreateRequest("slow-db", "opensearch", "opensearch-starter-1024"))
    bench.run(bench.claim())
    (instance_id,) = bench.runtime.list_instances()

    def ping(address: Address, credentials: Credentials) -> None:
        spec = bench.runtime.spec_of(instance_id)
        if spec is None or spec.server.argv[-1] != "admin only":
            raise NotReady("not initialized")

    monkeypatch.setattr(bench.engine, "ping", ping)
    monkeypatch.setattr(server, "_POLL_SECONDS", 0.0)
    bench.runtime.end_process(instance_id)
    drift(bench)
    operation = bench.claim()
    steps = bench.run(operation)
    for _ in range(4):
        clock.advance(100)
        if following := bench.queue.claim():
            steps += bench.run(following)
    assert steps[-5:] == ["await_ready", "stop", "start", "await_ready", "configure"]
    assert bench.latest(operation).status is OperationStatus.DONE
