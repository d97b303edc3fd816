"""The disk of every database: a warning at 85 % of its plan, read-only at 95 %, closed at 100 %, until there is space.

A server must never meet a full disk, so what the machine has left counts as well (`pressure`). Measuring means to look
at every file of a server: it is done as often as the fastest writer makes it necessary, only as exactly as the distance
to the next mark makes it necessary, and held to a fiftieth of one core for all servers together.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from dbyard.model import DISK_READ_ONLY, DISK_WARNING, MIB, Capacity, OperationKind, Restriction
from dbyard.operations import Context
from dbyard.reconciler.loop import logged, loop
from dbyard.reconciler.pressure import Pressure, grown, is_near, is_worse, must_stop, pause_for_machine, react, resume
from dbyard.reconciler.record_event import record_restricted
from dbyard.store import instances, operations
from dbyard.store.instances import MonitoredInstance

log = logging.getLogger(__name__)

FULL = {Restriction.READ_ONLY: DISK_READ_ONLY, Restriction.CLOSED: 1.0}
LIFTED = {Restriction.READ_ONLY: 0.90, Restriction.CLOSED: 0.98}
"""A restriction is lifted well below where it began, or it would come and go with every checkpoint."""

GIB = 1024 * MIB
_LEAST_PAUSE, _MOST_PAUSE = 0.05, 5.0
_RESTRICTED_PAUSE = 1.0
_LEAST_AGE = 1.0
"""Seconds for which a figure is shown again, whatever its server does."""
_WRITER = 200 * MIB
"""Bytes a second that a server is taken to write at any moment, until it is seen to write more."""
_UNSEEN = 32 * MIB
"""Bytes that may be missing in a figure that is shown."""
_SHARE, _MOST_CREDIT = 0.02, 0.25
"""Of one core, for all servers together; what was not spent is saved for one that is about to be full."""
_SHARE_OF_ONE = 0.05
_SET_ASIDE_SECONDS = 60.0
_NEARLY_FULL = "the disk of the machine is nearly full"
_SEVERITY = list(Restriction)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found the last time; `rate` in bytes a second since the time before, `cost` in seconds.

    `growth` is what it has grown by lately, in bytes.
    """

    at: float
    used: int
    rate: float = 0.0
    cost: float = 0.0
    growth: float = 0.0


class DiskMonitor:
    def __init__(self, context: Context, stopping: threading.Event, wake: Callable[[], None]) -> None:
        self._context = context
        self._wake = wake
        self._measured: dict[str, Measured] = {}
        self._shown: dict[str, Measured] = {}
        self._due: dict[str, float] = {}
        self._limits: dict[str, int] = {}
        self._warned: set[str] = set()
        self._machine = Pressure()
        self._resumed = False
        self._near = False
        self._closing: dict[str, Measured] = {}
        """What was measured when a server was first seen that should be closed and is not."""
        self._set_aside_at = 0.0
        self._credit = _MOST_CREDIT
        self._credited_at = time.monotonic()
        self.threads = [loop("disk", stopping, self.run_once)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def used(self, instance_id: str) -> int:
        """The bytes that an instance takes, to be shown."""
        now = time.monotonic()
        for known in (self._measured, self._shown):
            last = known.get(instance_id)
            if last is not None and now - last.at < _LEAST_AGE:
                return last.used
        used = self._context.runtime.disk_used(instance_id, _UNSEEN)
        self._shown[instance_id] = Measured(now, used)
        return used

    def run_once(self) -> float:
        """Measure what is due, and ask for restrictions; the seconds until something is due again."""
        now = time.monotonic()
        self._credit = min(_MOST_CREDIT, self._credit + (now - self._credited_at) * _SHARE)
        self._credited_at = now
        space = self._context.host.space()
        self._near = is_near(space)
        monitored = {each.id: each for each in self._context.store.cached("monitored", instances.list_monitored)}
        if not self._resumed:
            held = {each.id: each.restriction for each in monitored.values() if each.reason == _NEARLY_FULL}
            self._machine, self._resumed = resume(held, space, now), True
        for known in (self._measured, self._shown, self._due, self._closing):
            for instance_id in known.keys() - monitored.keys():
                del known[instance_id]
        urgent = is_worse(self._machine, space)  # who fills the disk has to be known now, whatever it costs
        due = [each for each in monitored.values() if urgent or self._due.get(each.id, 0.0) <= now]
        for each in sorted(due, key=self._urgency):
            if self._credit <= 0 and not urgent:
                break
            self._due[each.id] = now + _MOST_PAUSE  # unless it is measured
            with logged(f"to measure the disk of instance {each.id}"):
                self._measure(each)
        self._machine = react(self._machine, space, {each: last.growth for each, last in self._measured.items()}, now)
        for each in monitored.values():
            with logged(f"to close instance {each.id}"):
                self._enforce(each, space)
        for each in monitored.values():
            self._settle(each)
        self._set_aside(now)
        pause = min(self._due.values(), default=_MOST_PAUSE) - time.monotonic()
        return min(max(min(pause, pause_for_machine(space, _WRITER)), _LEAST_PAUSE), 1.0)

    def _limit(self, monitored: MonitoredInstance) -> int:
        limit = self._limits.get(monitored.plan)
        if limit is None:
            plan = self._context.catalogue.plan(monitored.technology, monitored.plan)
            limit = self._limits[monitored.plan] = plan.disk_mb * MIB if plan else 0
        return limit

    def _urgency(self, monitored: MonitoredInstance) -> int:
        last = self._measured.get(monitored.id)
        return distance(last.used, self._limit(monitored)) if last else 0

    def _measure(self, monitored: MonitoredInstance) -> None:
        limit, last, now = self._limit(monitored), self._measured.get(monitored.id), time.monotonic()
        exactly = last is None or monitored.restriction is not Restriction.NONE
        tolerance = 0 if exactly or last is None else distance(last.used, limit) // 2
        if self._near:
            tolerance = min(tolerance, _UNSEEN)
        used = self._context.runtime.disk_used(monitored.id, tolerance)
        cost = time.monotonic() - now
        rate = max(0.0, (used - last.used) / (now - last.at)) if last and now > last.at else 0.0
        growth = grown(last.growth, used - last.used, now - last.at) if last else 0.0
        last = self._measured[monitored.id] = Measured(now, used, rate, cost, growth)
        self._credit -= cost
        self._context.metrics.disk_seconds.inc(cost)
        seconds = pause(last, limit, monitored.restriction)
        if self._near:
            seconds = min(seconds, max(_RESTRICTED_PAUSE, cost / _SHARE_OF_ONE))
        # Those that can wait are looked at together, once a second.
        self._due[monitored.id] = now + seconds if seconds < 1.0 else math.ceil(now + seconds)

    def _settle(self, monitored: MonitoredInstance) -> None:
        last, limit = self._measured.get(monitored.id), self._limit(monitored)
        if last is None or not limit:
            return
        own = decide(monitored.restriction, last.used, limit)
        wanted = max(own, self._machine.restriction_of(monitored.id, monitored.restriction), key=_SEVERITY.index)
        self._warn(monitored, last.used, limit)
        if wanted is not monitored.restriction:
            reason = _reason(last.used, limit) if wanted is own else _NEARLY_FULL
            self._restrict(monitored, wanted, None if wanted is Restriction.NONE else reason)

    def _warn(self, monitored: MonitoredInstance, used: int, limit: int) -> None:
        if used < DISK_WARNING * limit:
            self._warned.discard(monitored.id)
        elif monitored.id not in self._warned:
            self._warned.add(monitored.id)
            self._context.metrics.disk_warnings.inc()
            log.warning("database %s: %s", monitored.database_id, _reason(used, limit))

    def _enforce(self, monitored: MonitoredInstance, space: Capacity) -> None:
        """Stop a server that should be closed and still fills the disk. It is healed for the platform alone."""
        last = self._measured.get(monitored.id)
        if last is None or monitored.restriction is not Restriction.CLOSED or monitored.applied is Restriction.CLOSED:
            self._closing.pop(monitored.id, None)
            return
        now = time.monotonic()
        first = self._closing.setdefault(monitored.id, Measured(now, last.used))
        if must_stop(now - first.at, last.used - first.used, space):
            log.warning("the server of instance %s is stopped: it cannot be closed otherwise", monitored.id)
            self._context.metrics.forced_closes.inc()
            del self._closing[monitored.id]
            self._context.runtime.stop(monitored.id, force=True)

    def _set_aside(self, now: float) -> None:
        """When there is space again, the platform takes back what it keeps for itself."""
        if now >= self._set_aside_at and self._machine.level is Restriction.NONE:
            self._set_aside_at = now + _SET_ASIDE_SECONDS
            self._context.store.set_aside()

    def _restrict(self, monitored: MonitoredInstance, wanted: Restriction, reason: str | None) -> None:
        """Record what is wanted; the operation that brings it about comes now, or after the one that is active."""
        now = self._context.now()
        with self._context.store.tx() as connection:
            if instances.should_run(connection, monitored.id) is None:
                return
            instances.set_restriction(connection, monitored.id, wanted, reason, now)
            record_restricted(connection, monitored.database_id, wanted, reason, now)
            if operations.exclusive_of(connection, monitored.database_id) is None:
                kind = OperationKind.CONFIGURE
                operations.insert(connection, monitored.database_id, kind, now, instance_id=monitored.id)
        self._context.metrics.restrictions.labels(wanted).inc()
        why = reason or "there is space again"
        log.warning("database %s is restricted: %s; %s", monitored.database_id, wanted, why)
        self._wake()


# ---- the rules, all pure ----------------------------------------------------------------------------------------


def decide(current: Restriction, used: int, limit: int) -> Restriction:
    """What a tenant may do who uses so much of its plan's disk, after `current`."""
    if used >= FULL[Restriction.CLOSED] * limit:
        return Restriction.CLOSED
    if current is Restriction.CLOSED and used >= LIFTED[Restriction.CLOSED] * limit:
        return Restriction.CLOSED
    marks = FULL if current is Restriction.NONE else LIFTED
    return Restriction.READ_ONLY if used >= marks[Restriction.READ_ONLY] * limit else Restriction.NONE


def distance(used: int, limit: int) -> int:
    """How many bytes more take a tenant to the next mark."""
    marks = (DISK_WARNING * limit, FULL[Restriction.READ_ONLY] * limit, FULL[Restriction.CLOSED] * limit)
    return int(min((mark - used for mark in marks if mark > used), default=0))


def pause(last: Measured, limit: int, restriction: Restriction) -> float:
    """Seconds until the server is looked at again: when the fastest writer is half the way to a full disk."""
    most = _MOST_PAUSE if restriction is Restriction.NONE else _RESTRICTED_PAUSE
    left = FULL[Restriction.CLOSED] * limit - last.used
    seconds = left / (2 * max(_WRITER, last.rate)) if left > 0 else most
    return max(_LEAST_PAUSE, min(seconds, most), last.cost / _SHARE_OF_ONE)


def _reason(used: int, limit: int) -> str:
    return f"{used * 100 // limit} % of its disk is used ({used / GIB:.2f} of {limit / GIB:.2f} GB)"
