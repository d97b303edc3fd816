"""claim -> step -> apply: worker threads that run the steps of due operations."""

from __future__ import annotations

import errno
import logging
import random
import threading
import time

from dbyard.errors import NotReady, PermanentError, StaleGeneration, StepError, Unavailable
from dbyard.model import OPERATIONS, Operation, Progress
from dbyard.operations import Context, Done, Next, Outcome, Wait
from dbyard.operations.kinds import KINDS
from dbyard.reconciler.record_event import record_done, record_failed
from dbyard.store import Connection, operations

log = logging.getLogger(__name__)

_POLL = 1.0
_STORE_PAUSE = 1.0
_MOMENT = 1.0
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_CANCELLED = "it was cancelled"
_UNEXPECTED = "an unexpected error, see the platform's log"


class Queue:
    def __init__(self, context: Context, stopping: threading.Event, workers: int) -> None:
        self._context = context
        self._stopping = stopping
        self._most_held = max(1, workers // 2)
        """At most so many workers do what a tenant's server may hold up, and one fewer what has failed or waited."""
        self._due = threading.Condition()
        self._hints = 0
        self._running: dict[str, Operation] = {}
        """The operations whose steps run in this process, by their tokens."""
        self._resumes_at = 0.0
        """When the last operation that waits for a moment only is at work again, by the monotonic clock."""
        self.threads = [threading.Thread(target=self._work, name=f"worker-{n}", daemon=True) for n in range(workers)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def wake(self) -> None:
        with self._due:
            self._hints += 1
            self._due.notify()

    def wake_all(self) -> None:
        """So that every idle worker sees that it should end."""
        with self._due:
            self._due.notify_all()

    def is_busy(self) -> bool:
        """Whether an operation is at work, or waits for a moment only: for a server that is starting."""
        return bool(self._running) or time.monotonic() < self._resumes_at

    def void_claims(self) -> None:
        with self._context.store.tx() as connection:
            operations.void_claims(connection, self._at())

    def run(self, operation: Operation) -> None:
        """Run a claimed operation step by step until it waits, ends, or is not ours any more.

        Whatever happens, the claim is given back while this process lives: nothing else ends it.
        """
        claimed: Operation | None = operation
        broken = False
        while claimed is not None:
            try:
                if broken:
                    self._retry(claimed, "internal", _UNEXPECTED)
                    return
                claimed = self._advance(claimed)
            except Unavailable as error:
                log.error("operation %s cannot be recorded: %s", operation.id, error)
                if self._stopping.wait(_STORE_PAUSE):
                    return
            except Exception:
                if broken:
                    raise
                log.exception("what came of operation %s cannot be recorded", operation.id)
                broken = True

    def claim(self) -> Operation | None:
        now = self._at()
        with self._context.store.read() as connection:
            due = operations.next_due(connection, self._most_held)
        if due is None or due > now:
            return None
        with self._context.store.tx(durable=False) as connection:
            return operations.claim(connection, now, self._most_held)

    def _work(self) -> None:
        while not self._stopping.is_set():
            try:
                operation = self.claim()
                if operation is None:
                    self._wait()
                else:
                    self._run_listed(operation)
            except Unavailable as error:
                log.error("no operation can be claimed: %s", error)
                self._stopping.wait(_STORE_PAUSE)
            except Exception:
                log.exception("a worker failed; it goes on in %.0f s", _STORE_PAUSE)
                self._stopping.wait(_STORE_PAUSE)

    def _run_listed(self, operation: Operation) -> None:
        token = operation.token or ""
        self._running[token] = operation
        try:
            self.run(operation)
        finally:
            del self._running[token]
            if operations.is_held(operation) or operation.error_code is not None:
                self.wake()  # one that was left out may come now

    def _wait(self) -> None:
        now = self._at()
        with self._context.store.read() as connection:
            due = operations.next_due(connection, self._most_held)
        pause = _POLL if due is None else min(_POLL, max(0.0, due - now))
        with self._due:
            if not self._hints:
                self._due.wait(pause)
            self._hints = max(0, self._hints - 1)

    def _advance(self, operation: Operation) -> Operation | None:
        """Run one step and apply what came of it; the operation at its next step if it goes on at once."""
        if operation.cancel_requested_at is not None:
            self._fail(operation, "cancelled", _CANCELLED)
            return None
        if self._at() >= operation.deadline_at:
            self._context.metrics.deadlines_passed.labels(operation.kind).inc()
            self._fail(operation, "deadline", f"not done in time: {operation.error or operation.step}")
            return None
        try:
            outcome = KINDS[operation.kind].steps[operation.step](self._context, operation)
        except Unavailable:
            raise
        except StaleGeneration:
            log.info("operation %s makes room for a newer one", operation.id)
            return self._apply(operation, Wait(_POLL, "a newer operation has its server"))
        except PermanentError as error:
            self._fail(operation, error.code, str(error))
        except (StepError, NotReady) as error:
            self._retry(operation, error.code, str(error))
        except OSError as error:
            self._retry(operation, "disk_full" if error.errno in _DISK_FULL else "system", str(error))
        except Exception:
            log.exception("operation %s (%s) failed at %s", operation.id, operation.kind, operation.step)
            self._retry(operation, "internal", _UNEXPECTED)
        else:
            return self._apply(operation, outcome)
        return None

    def _apply(self, operation: Operation, outcome: Outcome) -> Operation | None:
        now = self._context.now()
        with self._context.store.tx(durable=isinstance(outcome, Done)) as connection:
            match outcome:
                case Next(step, save, found, message, result):
                    following = operations.advance(connection, operation, step, now, found, message, result)
                    mine = following is not None
                    if following and operations.is_held(following) and not operations.is_held(operation):
                        operations.release(connection, following)  # it needs one of the places for these
                        following = None
                case Wait():
                    save, following = None, None
                    mine = self._wait_again(connection, operation, outcome)
                case Done(save, result):
                    following, mine = None, operations.finish(connection, operation, now, result)
                    if mine:
                        record_done(connection, operation, now)
            if mine and save is not None:
                save(connection)
        if mine and isinstance(outcome, Done):
            self._count_end(operation, "done")
        return following

    def _wait_again(self, connection: Connection, operation: Operation, outcome: Wait) -> bool:
        policy, run_at = OPERATIONS[operation.kind], self._at() + outcome.seconds
        deadline = operation.deadline_at
        progress = furthest(operation.progress, outcome.progress)
        if not outcome.counts or (policy.stall and progress != operation.progress):
            deadline = max(deadline, run_at + policy.patience)
        if outcome.seconds <= _MOMENT:
            self._resumes_at = max(self._resumes_at, time.monotonic() + 2 * outcome.seconds)
        return operations.wait(connection, operation, min(run_at, deadline), deadline, outcome.reason, progress)

    def _retry(self, operation: Operation, code: str, message: str) -> None:
        now = self._context.now()
        run_at = min(self._at() + back_off(operation.attempt), operation.deadline_at)
        log.warning("operation %s (%s) at %s: %s: %s", operation.id, operation.kind, operation.step, code, message)
        self._context.metrics.failed_attempts.labels(operation.kind, operation.step, code).inc()
        with self._context.store.tx() as connection:
            operations.retry(connection, operation, run_at, now, code, message)

    def _fail(self, operation: Operation, code: str, message: str) -> None:
        with self._context.store.read() as connection:
            if not operations.is_claimed(connection, operation):
                return  # another operation decides now what becomes of its server
        log.error("operation %s (%s) failed at %s: %s: %s", operation.id, operation.kind, operation.step, code, message)
        save = None
        try:
            save = KINDS[operation.kind].on_failure(self._context, operation, message)
        except Unavailable:
            raise
        except (
            Exception
        ):  # whatever it is, the operation ends: while it is active, nothing else can change its database
            log.exception("operation %s could not be tidied up", operation.id)
        now = self._context.now()
        with self._context.store.tx() as connection:
            mine = operations.fail(connection, operation, now, code, message)
            if mine:
                record_failed(connection, operation, now, code, message)
            if mine and save is not None:
                save(connection)
        if mine:
            self._count_end(operation, code)

    def _at(self) -> float:
        """The time by which operations are due and late."""
        return self._context.store.steady(self._context.now())

    def _count_end(self, operation: Operation, outcome: str) -> None:
        metrics = self._context.metrics
        metrics.operations.labels(operation.kind, outcome).inc()
        metrics.operation_seconds.labels(operation.kind).observe(max(0.0, self._context.now() - operation.created_at))


def furthest(known: Progress | None, told: Progress | None) -> Progress | None:
    """How far a step has come in all of its attempts: one that begins anew again and again gets nowhere. Pure."""
    if known is None or told is None:
        return told or known
    return told if told.done > known.done else known


def back_off(attempt: int) -> float:
    """Seconds until the next attempt: doubling from a quarter of a second to 15, with jitter."""
    return min(0.25 * 2.0 ** min(attempt - 1, 10), 15.0) * random.uniform(0.5, 1.0)  # noqa: S311
