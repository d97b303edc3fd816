"""The queue: one claim each, results only under it, pauses that grow, and what each outcome means."""

from __future__ import annotations

import errno
import random
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbyard.errors import NotReady, PermanentError, StaleGeneration, TemporaryError, Unavailable
from dbyard.metrics import Metrics
from dbyard.model import (
    OPERATIONS,
    Database,
    EventType,
    Operation,
    OperationKind,
    OperationPolicy,
    OperationStatus,
    Progress,
)
from dbyard.operations import Context, Done, Kind, Next, Outcome, Save, Wait
from dbyard.polling import wait_until
from dbyard.reconciler import queue as queues
from dbyard.reconciler.drift import repeat_delay
from dbyard.reconciler.queue import Queue, back_off
from dbyard.reconciler.record_event import record_done
from dbyard.service import Service
from dbyard.store import Connection, Store, databases, events, operations
from tests.conftest import Clock

Script = list[Any]
MANY = 40
ABANDONED = Done
"""What `script` gets when an operation has failed."""
SAVED = Wait
"""And when what that wants written is written."""


class TestBackOff:
    @given(st.integers(1, 100), st.integers())
    def test_stays_between_its_bounds(self, attempt: int, seed: int) -> None:
        random.seed(seed)
        most = min(0.25 * 2 ** (attempt - 1), 15)
        assert most / 2 <= back_off(attempt) <= most

    @given(st.integers(1, 100))
    def test_grows_but_for_its_jitter(self, attempt: int) -> None:
        assert back_off(attempt + 1) >= back_off(attempt) / 2

    def test_never_overflows(self) -> None:
        assert back_off(10**9) <= 15

    @given(st.floats(0, 600))
    def test_leaves_several_attempts_before_a_deadline(self, begin: float) -> None:
        deadline, at, attempt = begin + OPERATIONS[OperationKind.CREATE].patience, begin, 1
        while at < deadline:
            at += back_off(attempt)
            attempt += 1
        assert attempt > 10


class TestRepeatDelay:
    @given(st.integers(0, 10_000))
    def test_never_shrinks_and_has_an_end(self, recent: int) -> None:
        assert 0 <= repeat_delay(recent) <= repeat_delay(recent + 1) <= 30

    def test_is_none_for_the_first(self) -> None:
        assert [repeat_delay(recent) for recent in range(4)] == [0, 0, 0, 1]


@pytest.fixture
def context(service: Service, store: Store, clock: Clock) -> Context:
    """No step of these tests touches a runtime."""
    runtime: Any = None
    return Context(
        store,
        service.catalogue,
        service.box,
        service.authority,
        runtime,
        runtime,
        runtime,
        Metrics(),
        service.archive,
        now=clock,
    )


@pytest.fixture
def queue(context: Context) -> Queue:
    return Queue(context, threading.Event(), 0)


@pytest.fixture
def order(store: Store, clock: Clock) -> Callable[[], str]:
    """Puts one more database with a create operation into the store; the operation's id."""
    made: list[str] = []

    def order() -> str:
        name = f"queued-{len(made)}"
        made.append(name)
        with store.tx() as connection:
            insert_database(connection, name)
            return operations.insert(connection, name, OperationKind.CREATE, clock())

    return order


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """What the steps of a create do, one after the other; ABANDONED comes behind them when that failed."""
    acts: Script = []

    def step(_context: Context, _operation: Operation) -> Outcome:
        outcome: Outcome = acts.pop(0)()
        return outcome

    def on_failure(_context: Context, _operation: Operation, _reason: str) -> Save:
        acts.append(ABANDONED)
        return lambda _connection: acts.append(SAVED)

    kind = Kind(dict.fromkeys(("allocate", "start", "configure"), step), on_failure)
    monkeypatch.setattr(queues, "KINDS", {OperationKind.CREATE: kind})
    return acts


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("store") / "state.db")
    yield store
    store.close()


def insert_database(connection: Connection, name: str) -> None:
    connection.execute("INSERT OR IGNORE INTO account (id, username, email, created_at) VALUES ('a', 'a', 'a', 0)")
    connection.execute("INSERT OR IGNORE INTO project (id, account_id, name, created_at) VALUES ('p', 'a', 'p', 0)")
    databases.insert(connection, Database(name, name, "p", "redis", "7.0", "redis-starter-128", 0.0, None))


def insert_operations(
    store: Store, clock: Clock, prefix: str, kind: OperationKind, count: int, account: str = "a"
) -> None:
    """One for each of so many databases of an account."""
    with store.tx() as connection:
        connection.execute(
            "INSERT OR IGNORE INTO account (id, username, email, created_at) VALUES (?1, ?1, ?1, 0)", (account,)
        )
        connection.execute(
            "INSERT OR IGNORE INTO project (id, account_id, name, created_at) VALUES (?1, ?1, ?1, 0)", (account,)
        )
        for number in range(count):
            name = f"{prefix}-{number}"
            databases.insert(connection, Database(name, name, account, "redis", "7.0", "redis-starter-128", 0.0, None))
            operations.insert(connection, name, kind, clock())


def finish(store: Store, operation: Operation | None, clock: Clock) -> None:
    assert operation is not None
    with store.tx() as connection:
        assert operations.finish(connection, operation, clock())


def raising(error: Exception) -> Callable[[], Outcome]:
    def act() -> Outcome:
        raise error

    return act


def latest(store: Store, database_id: str = "queued-0") -> Operation:
    with store.read() as connection:
        return operations.list_for(connection, database_id)[0][0]


def told(store: Store) -> list[tuple[str, Mapping[str, object]]]:
    """The type and the data of each event, oldest first."""
    with store.read() as connection:
        found = events.list_page(connection, events.everything(), 100, 0)
    return [(event.type, event.data) for event in reversed(found)]


class TestClaim:
    def test_takes_the_one_that_is_due_longest(self, queue: Queue, order: Callable[[], str], clock: Clock) -> None:
        ids = [order()]
        clock.advance(1)
        ids.append(order())
        claimed = [queue.claim(), queue.claim(), queue.claim()]
        assert [each.id if each else None for each in claimed] == [*ids, None]

    def test_of_many_threads_is_never_the_same(self, queue: Queue, order: Callable[[], str]) -> None:
        ids = {order() for _ in range(MANY)}
        claimed: list[str] = []

        def work() -> None:
            while operation := queue.claim():
                claimed.append(operation.id)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(claimed) == sorted(ids)

    def test_counts_as_an_attempt(self, queue: Queue, order: Callable[[], str], store: Store) -> None:
        order()
        assert latest(store).attempt == 0
        queue.claim()
        assert latest(store).attempt == 1

    def test_holds_however_long_its_step_takes(
        self, queue: Queue, order: Callable[[], str], script: Script, clock: Clock
    ) -> None:
        """As over the sleep of a machine, or of the platform alone."""
        order()

        def sleep() -> Outcome:
            clock.advance(86400)
            assert queue.claim() is None
            return Done()

        script.append(sleep)
        claimed = queue.claim()
        assert claimed is not None
        queue._run_listed(claimed)
        assert script == []
        assert not queue.is_busy()

    @pytest.mark.parametrize(("seconds", "busy"), [(1.0, True), (60.0, False)])
    def test_keeps_the_queue_busy_over_a_moment_of_waiting(
        self, queue: Queue, order: Callable[[], str], script: Script, seconds: float, busy: bool
    ) -> None:
        """Or spares would be made beside a server that is starting."""
        order()
        script.append(lambda: Wait(seconds, "it starts"))
        claimed = queue.claim()
        assert claimed is not None
        queue._run_listed(claimed)
        assert queue.is_busy() is busy
        assert wait_until(lambda: not queue.is_busy(), 30)

    def test_is_void_at_the_next_start(self, queue: Queue, order: Callable[[], str]) -> None:
        order()
        first = queue.claim()
        queue.void_claims()
        second = queue.claim()
        assert first is not None
        assert second is not None
        assert (second.id, second.token != first.token) == (first.id, True)

    def test_is_given_back_where_a_worker_fails(
        self, queue: Queue, order: Callable[[], str], script: Script, store: Store
    ) -> None:
        """Nothing else would end it."""
        order()

        def break_down(_connection: Connection) -> None:
            raise sqlite3.IntegrityError("a mistake")

        script.append(lambda: Next("start", break_down))
        run(queue)
        found = latest(store)
        assert (found.status, found.error_code, found.step) == (OperationStatus.PENDING, "internal", "allocate")

    @given(acts=st.lists(st.sampled_from(["claim", "use", "give back", "wait", "restart", "supersede"]), max_size=15))
    def test_only_the_newest_counts_until_it_is_given_back(self, shared: Store, acts: list[str]) -> None:
        """Every claim ever made tries to record after each act: only the one that holds may."""
        now, claims, holder = 0.0, list[Operation](), None
        with shared.tx() as connection:
            connection.execute("DELETE FROM database")
            insert_database(connection, "only-one")
            operations.insert(connection, "only-one", OperationKind.CREATE, now)
            for act in acts:
                if act == "claim" and (found := operations.claim(connection, now)):
                    claims.append(found)
                    holder = found
                elif act == "give back" and holder:
                    assert operations.wait(connection, holder, now, holder.deadline_at, "")
                    holder = None
                elif act == "wait":
                    now += 3600.0
                elif act == "restart":
                    operations.void_claims(connection, now)
                    holder = None
                elif act == "supersede":
                    operations.supersede(connection, "only-one", now)
                    holder = None
                lost = [claim for claim in claims if claim is not holder]
                assert not any(operations.advance(connection, claim, "start", now) for claim in lost)
                assert holder is None or operations.advance(connection, holder, "start", now)


class TestShare:
    """Many operations that tenants hold up leave workers to all others."""

    @pytest.fixture
    def queue(self, context: Context) -> Queue:
        return Queue(context, threading.Event(), 8)

    def test_what_a_tenant_may_hold_up_never_has_all_workers(self, queue: Queue, store: Store, clock: Clock) -> None:
        insert_operations(store, clock, "mine", OperationKind.CONFIGURE, 16, account="greedy")
        insert_operations(store, clock, "ours", OperationKind.CONFIGURE, 16)
        claimed = [queue.claim() for _ in range(8)]
        assert [each is not None for each in claimed] == [True] * 4 + [False] * 4
        insert_operations(store, clock, "theirs", OperationKind.CREATE, 1)
        created = queue.claim()
        assert created is not None
        assert created.kind == OperationKind.CREATE
        for each in (claimed[0], created):
            finish(store, each, clock)
        following = queue.claim()
        assert following is not None
        assert following.kind == OperationKind.CONFIGURE

    @pytest.mark.parametrize("kind", [OperationKind.CREATE, OperationKind.HEAL, OperationKind.DELETE])
    def test_what_is_urgent_goes_before_what_is_held(
        self, queue: Queue, store: Store, clock: Clock, kind: OperationKind
    ) -> None:
        insert_operations(store, clock, "held", OperationKind.HEAL, 3)
        for _ in range(3):
            waiting = queue.claim()
            assert waiting is not None
            with store.tx() as connection:
                assert operations.retry(connection, waiting, clock(), clock(), "held", "a tenant holds it")
        clock.advance(1)
        insert_operations(store, clock, "urgent", kind, 1)
        first = queue.claim()
        assert first is not None
        assert (first.kind, first.database_id) == (kind, "urgent-0")

    @pytest.mark.parametrize("kind", [OperationKind.CREATE, OperationKind.DELETE])
    def test_what_no_tenant_holds_up_is_urgent_also_when_it_failed_once(
        self, queue: Queue, store: Store, clock: Clock, kind: OperationKind
    ) -> None:
        insert_operations(store, clock, "failed", kind, 1)
        failed = queue.claim()
        assert failed is not None
        with store.tx() as connection:
            assert operations.retry(connection, failed, clock(), clock(), "system", "it is busy")
        clock.advance(-1)
        for account in ("greedy", "other"):
            insert_operations(store, clock, account, OperationKind.CONFIGURE, 4, account=account)
        clock.advance(1)
        following = queue.claim()
        assert following is not None
        assert (following.id, following.attempt) == (failed.id, 2)

    def test_creates_that_wait_leave_workers_to_new_ones(self, queue: Queue, store: Store, clock: Clock) -> None:
        insert_operations(store, clock, "slow", OperationKind.CREATE, 8)
        for operation in [queue.claim() for _ in range(8)]:
            assert operation is not None
            with store.tx() as connection:
                assert operations.wait(connection, operation, clock(), operation.deadline_at, "it starts")
        for account in ("greedy", "other"):
            insert_operations(store, clock, account, OperationKind.CONFIGURE, 4, account=account)
        claimed = [queue.claim() for _ in range(8)]
        assert [each and each.kind for each in claimed] == [OperationKind.CREATE] * 3 + [
            OperationKind.CONFIGURE
        ] * 4 + [None]
        with store.read() as connection:
            assert operations.next_due(connection, 4) is None
        insert_operations(store, clock, "new", OperationKind.CREATE, 1)
        following = queue.claim()
        assert following is not None
        assert following.database_id == "new-0"

    def test_a_heal_that_comes_to_what_may_be_held_needs_a_place_for_that(
        self, queue: Queue, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def step(_context: Context, _operation: Operation) -> Outcome:
            return Next("configure")

        kind = Kind(dict.fromkeys(("diagnose", "configure"), step), lambda *_: None)
        monkeypatch.setattr(queues, "KINDS", {OperationKind.HEAL: kind})
        for account in ("greedy", "other"):
            insert_operations(store, clock, account, OperationKind.CONFIGURE, 2, account=account)
        held = [queue.claim() for _ in range(4)]
        insert_operations(store, clock, "healed", OperationKind.HEAL, 1)
        run(queue)
        healed = latest(store, "healed-0")
        assert (healed.status, healed.step, healed.attempt) == (OperationStatus.PENDING, "configure", 0)
        assert queue.claim() is None
        finish(store, held[0], clock)
        following = queue.claim()
        assert following is not None
        assert (following.id, following.step) == (healed.id, "configure")

    def test_one_account_never_has_all_places(self, queue: Queue, store: Store, clock: Clock) -> None:
        """Also where nobody else waits yet."""
        insert_operations(store, clock, "greedy", OperationKind.CONFIGURE, 16, account="greedy")
        assert [queue.claim() is not None for _ in range(5)] == [True] * 3 + [False] * 2
        with store.read() as connection:
            assert operations.next_due(connection, 4) is None
        insert_operations(store, clock, "modest", OperationKind.CONFIGURE, 1, account="modest")
        following = queue.claim()
        assert following is not None
        assert following.database_id == "modest-0"

    def test_what_is_held_is_not_forgotten(self, queue: Queue, store: Store, clock: Clock) -> None:
        insert_operations(store, clock, "held", OperationKind.CONFIGURE, 1)
        clock.advance(6)
        insert_operations(store, clock, "urgent", OperationKind.CREATE, 1)
        first = queue.claim()
        assert first is not None
        assert first.database_id == "held-0"

    def test_an_account_that_asks_for_much_waits_for_one_that_asks_for_little(
        self, queue: Queue, store: Store, clock: Clock
    ) -> None:
        insert_operations(store, clock, "many", OperationKind.CREATE, 20, account="greedy")
        assert all(queue.claim() for _ in range(4))
        clock.advance(1)
        insert_operations(store, clock, "one", OperationKind.CREATE, 1, account="modest")
        following = queue.claim()
        assert following is not None
        assert following.database_id == "one-0"

    def test_a_full_share_is_no_reason_to_look_again_at_once(self, queue: Queue, store: Store, clock: Clock) -> None:
        for account in ("greedy", "other"):
            insert_operations(store, clock, account, OperationKind.CONFIGURE, 3, account=account)
        for _ in range(4):
            assert queue.claim()
        with store.read() as connection:
            assert operations.next_due(connection, 4) is None
            assert operations.next_due(connection) == clock()


class TestRecordDone:
    def test_of_a_heal_has_its_cause(self, store: Store) -> None:
        cause = {"code": "server_killed", "message": "why"}
        with store.tx() as connection:
            insert_database(connection, "queued-0")
            operations.insert(connection, "queued-0", OperationKind.HEAL, 0.0)
            claimed = operations.claim(connection, 0.0)
            assert claimed is not None
            assert operations.advance(connection, claimed, "start", 0.0, "server_killed", "why", {"cause": cause})
            record_done(connection, claimed, 0.0)
        ((kind, data),) = told(store)
        assert (kind, data["cause"]) == (EventType.OPERATION_DONE, cause)

    def test_is_left_out_where_the_kind_is_not_announced(self, store: Store) -> None:
        with store.tx() as connection:
            insert_database(connection, "queued-0")
            operations.insert(connection, "queued-0", OperationKind.CONFIGURE, 0.0)
            claimed = operations.claim(connection, 0.0)
            assert claimed is not None
            record_done(connection, claimed, 0.0)
        assert told(store) == []


class TestCancel:
    def test_ends_one_that_waits_at_once(
        self, queue: Queue, order: Callable[[], str], script: Script, store: Store, clock: Clock
    ) -> None:
        operation_id = order()
        script.append(lambda: Wait(1000, "the moon"))
        run(queue)
        with store.tx() as connection:
            operations.request_cancel(connection, operation_id, clock())
        run(queue)
        assert (latest(store).status, latest(store).error_code) == (OperationStatus.ERROR, "cancelled")
        assert script == [ABANDONED, SAVED]

    def test_ends_one_that_runs_with_its_step(
        self, queue: Queue, order: Callable[[], str], script: Script, store: Store, clock: Clock
    ) -> None:
        operation_id = order()

        def cancelled_meanwhile() -> Outcome:
            with store.tx() as connection:
                operations.request_cancel(connection, operation_id, clock())
            return Next("start")

        script.append(cancelled_meanwhile)
        run(queue)
        assert (latest(store).step, latest(store).error_code) == ("start", "cancelled")


class TestProgress:
    @pytest.fixture(autouse=True)
    def stalling(self, monkeypatch: pytest.MonkeyPatch) -> None:
        policy = replace(OPERATIONS[OperationKind.CREATE], deadline=None, stall=100.0)
        monkeypatch.setitem(OPERATIONS, OperationKind.CREATE, policy)

    def test_gives_more_time_and_is_shown(
        self, queue: Queue, order: Callable[[], str], script: Script, store: Store, clock: Clock
    ) -> None:
        order()
        for done in (1.0, 2.0, 3.0):
            script.append(lambda done=done: Wait(90, "copying", progress=Progress(done, 3.0, "GB")))
            run(queue)
            clock.advance(90)
            assert latest(store).progress == Progress(done, 3.0, "GB")
        assert latest(store).status is OperationStatus.PENDING

    def test_that_does_not_come_ends_it(
        self, queue: Queue, order: Callable[[], str], script: Script, store: Store, clock: Clock
    ) -> None:
        order()
        for _ in range(2):
            script.append(lambda: Wait(60, "copying", progress=Progress(1.0)))
            run(queue)
            clock.advance(60)
        script.append(lambda: Wait(60, "copying", progress=Progress(1.0)))
        run(queue)
        clock.advance(60)
        run(queue)
        assert latest(store).error_code == "deadline"


class TestBeside:
    def test_a_background_operation_runs_with_an_exclusive_one(
        self, queue: Queue, order: Callable[[], str], store: Store, clock: Clock
    ) -> None:
        order()
        with store.tx() as connection:
            for _ in range(2):
                operations.insert(connection, "queued-0", "copy", clock())
            with pytest.raises(sqlite3.IntegrityError):
                operations.insert(connection, "queued-0", OperationKind.HEAL, clock())
        claimed = {each.kind for _ in range(3) if (each := queue.claim())}
        assert claimed == {OperationKind.CREATE, "copy"}

    @pytest.fixture(autouse=True)
    def copy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        policy = OperationPolicy("run", deadline=100.0, exclusive=False, owns_server=False)
        monkeypatch.setitem(OPERATIONS, "copy", policy)


class TestOutcomes:
    def test_next_goes_on_under_the_same_claim(
        self, queue: Queue, order: Callable[[], str], script: Script, store: Store
    ) -> None:
        order()
        script += [lambda: Next("start"), lambda: Next("configure"), lambda: Done()]
        claimed = queue.claim()
        assert claimed is not None
        queue.run(claimed)
        assert script == []
        assert latest(store).status is OperationStatus.DONE
        assert told(store) == [(EventType.OPERATION_DONE, {"operation": "create", "operation_id": claimed.id})]

    def test_wait_runs_the_same_step_again_and_is_no_attempt(
        self, queue: Queue, order: Callable[[], str], script: Script, store: Store, clock: Clock
    ) -> None:
        order()
        for _ in range(3):
            script.append(lambda: Wait(5, "not yet"))
            run(queue)
            assert (latest(store).step, latest(store).attempt, latest(store).error) == ("allocate", 0, "not yet")
            assert queue.claim() is None
            clock.advance(5)

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (TemporaryError("no", code="busy"), "busy"),
            (NotReady("no"), "not_ready"),
            (OSError(errno.ENOSPC, "no space"), "disk_full"),
            (OSError(errno.EIO, "broken"), "system"),
            (ZeroDivisionError(), "internal"),
        ],
    )
    def test_a_failure_comes_again_later(
        self,
        queue: Queue,
        order: Callable[[], str],
        script: Script,
        store: Store,
        clock: Clock,
        error: Exception,
        code: str,
    ) -> None:
        order()
        script.append(raising(error))
        run(queue)
        found = latest(store)
        assert (found.status, found.error_code, found.attempt) == (OperationStatus.PENDING, code, 1)
        assert clock() < found.run_at <= clock() + 15

    def test_a_permanent_failure_ends_it(
        self, queue: Queue, order: Callable[[], str], script: Script, store: Store
    ) -> None:
        order()
        script.append(raising(PermanentError("never", code="lost")))
        run(queue)
        assert (latest(store).status, latest(store).error_code) == (OperationStatus.ERROR, "lost")
        assert script == [ABANDONED, SAVED]
        ((kind, data),) = told(store)
        assert (kind, data["error"]) == (EventType.OPERATION_FAILED, {"code": "lost", "message": "never"})

    def test_a_permanent_failure_of_a_lost_claim_abandons_nothing(
        self, queue: Queue, order: Callable[[], str], script: Script, store: Store, clock: Clock
    ) -> None:
        order()
        script.append(raising(PermanentError("never")))
        lost = queue.claim()
        assert lost is not None
        queue.void_claims()
        held = queue.claim()
        queue.run(lost)
        assert script == []
        assert latest(store) == held
        assert told(store) == []

    def test_a_stale_step_changes_nothing(
        self, queue: Queue, order: Callable[[], str], script: Script, store: Store, clock: Clock
    ) -> None:
        order()

        def give_way() -> Outcome:
            with store.tx() as connection:
                operations.supersede(connection, "queued-0", clock())
            raise StaleGeneration("old")

        script += [raising(StaleGeneration("old")), give_way]
        run(queue)
        waiting = latest(store)
        assert (waiting.status, waiting.attempt) == (OperationStatus.PENDING, 0)
        clock.advance(2)
        run(queue)
        assert latest(store).error_code == "superseded"

    def test_an_internal_error_tells_nothing_of_itself(
        self, queue: Queue, order: Callable[[], str], script: Script, store: Store
    ) -> None:
        order()
        script.append(raising(ZeroDivisionError("secret")))
        run(queue)
        assert "secret" not in (latest(store).error or "")

    def test_a_deadline_ends_it_with_what_it_waited_for(
        self, queue: Queue, order: Callable[[], str], script: Script, store: Store, clock: Clock
    ) -> None:
        order()
        script.append(lambda: Wait(1000, "the moon"))
        run(queue)
        assert latest(store).run_at <= latest(store).deadline_at
        clock.advance(OPERATIONS[OperationKind.CREATE].patience)
        run(queue)
        assert (latest(store).status, latest(store).error_code) == (OperationStatus.ERROR, "deadline")
        assert "the moon" in (latest(store).error or "")

    def test_waiting_for_others_takes_nothing_from_its_time(
        self, queue: Queue, order: Callable[[], str], script: Script, store: Store, clock: Clock
    ) -> None:
        order()
        may_take = OPERATIONS[OperationKind.CREATE].patience
        for _ in range(4):
            script.append(lambda: Wait(may_take / 2, "others come first", counts=False))
            run(queue)
            clock.advance(may_take / 2)
        assert latest(store).deadline_at == clock() + may_take
        script.append(lambda: Wait(may_take, "it does not answer"))
        run(queue)
        clock.advance(may_take)
        run(queue)
        assert (latest(store).status, latest(store).error_code) == (OperationStatus.ERROR, "deadline")

    def test_what_a_lost_claim_wanted_saved_is_dropped(
        self, queue: Queue, order: Callable[[], str], script: Script, store: Store, clock: Clock
    ) -> None:
        order()
        saved: list[str] = []
        script.append(lambda: Next("start", lambda _: saved.append("first")))
        lost = queue.claim()
        assert lost is not None
        queue.void_claims()
        assert queue.claim() is not None
        queue.run(lost)
        assert saved == []
        assert latest(store).step == "allocate"

    def test_a_store_that_cannot_be_written_is_tried_again(
        self, queue: Queue, order: Callable[[], str], script: Script, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        order()
        monkeypatch.setattr(queues, "_STORE_PAUSE", 0.0)
        script += [raising(Unavailable("full")), raising(Unavailable("full")), lambda: Done()]
        run(queue)
        assert latest(store).status is OperationStatus.DONE


def run(queue: Queue) -> None:
    claimed = queue.claim()
    assert claimed is not None
    queue.run(claimed)
