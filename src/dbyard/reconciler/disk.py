"""The disk of every database: a warning at 85 % of its plan, read-only at 95 %, closed at 100 %, until there is space.

A server must never meet a full disk, so what the machine has left counts as well. Measuring means to look at every
file of a server: it is done as often as the fastest writer makes it necessary, left out while the server has not had
the processor time to write anything that matters, and held to a fiftieth of one core for all servers together.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from dbyard.errors import Unavailable
from dbyard.model import DISK_READ_ONLY, DISK_WARNING, MIB, Capacity, OperationKind, Restriction
from dbyard.operations import Context
from dbyard.reconciler.telling import tell_restricted
from dbyard.store import instances, operations
from dbyard.store.instances import MonitoredInstance

log = logging.getLogger(__name__)

FULL = {Restriction.READ_ONLY: DISK_READ_ONLY, Restriction.CLOSED: 1.0}
LIFTED = {Restriction.READ_ONLY: 0.90, Restriction.CLOSED: 0.98}
"""A restriction is lifted well below where it began, or it would come and go with every checkpoint."""

GIB = 1024 * MIB
_LEAST_PAUSE, _MOST_PAUSE = 0.05, 5.0
_RESTRICTED_PAUSE = 1.0
MOST_AGE = 300.0
"""Seconds after which even an idle server is measured again, whoever may have written to its directory."""
_LEAST_AGE = 1.0
"""Seconds for which a figure is shown again, whatever its server does."""
_WRITER = 200 * MIB
"""Bytes a second that a server is taken to write at any moment, until it is seen to write more."""
_PER_CPU_SECOND = 4 * GIB
"""Bytes that nobody can write with less than a second of processor time."""
_UNSEEN = 32 * MIB
"""Bytes that may be missing in a figure that is shown without measuring again."""
_SHARE, _MOST_CREDIT = 0.02, 0.25
"""Of one core, for all servers together; what was not spent is saved for one that is about to be full."""
_SHARE_OF_ONE = 0.05
_AFTER_FAILURE = 15.0
_SEVERITY = list(Restriction)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found the last time; `rate` in bytes a second since the time before, `cost` in seconds."""

    at: float
    used: int
    cpu: float | None
    rate: float
    cost: float


class DiskMonitor:
    def __init__(self, context: Context, stopping: threading.Event, wake: Callable[[], None]) -> None:
        self._context = context
        self._stopping = stopping
        self._wake = wake
        self._measured: dict[str, Measured] = {}
        self._asked: dict[str, Measured] = {}
        self._due: dict[str, float] = {}
        self._limits: dict[str, int] = {}
        self._warned: set[str] = set()
        self._machine = Restriction.NONE
        self._credit = _MOST_CREDIT
        self._looked_at = time.monotonic()
        self.threads = [threading.Thread(target=self._run, name="disk", daemon=True)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def used(self, instance_id: str) -> int:
        """The bytes that an instance takes, for whoever asks: it is measured again only if that may show."""
        now, cpu = time.monotonic(), self._context.runtime.cpu_seconds(instance_id)
        for known in (self._measured, self._asked):
            last = known.get(instance_id)
            if last is not None and is_current(last, cpu, now):
                return last.used
        used = self._context.runtime.disk(instance_id)
        self._asked[instance_id] = Measured(now, used, cpu, 0.0, 0.0)
        return used

    def run_once(self) -> float:
        """Measure what is due, and ask for restrictions; the seconds until something is due again."""
        now = time.monotonic()
        self._credit = min(_MOST_CREDIT, self._credit + (now - self._looked_at) * _SHARE)
        self._looked_at = now
        self._machine = decide_for_machine(self._machine, self._context.runtime.space())
        watched = {each.id: each for each in self._context.store.cached("watched", instances.list_watched)}
        for known in (self._measured, self._asked, self._due):
            for instance_id in known.keys() - watched.keys():
                del known[instance_id]
        due = [each for each in watched.values() if self._due.get(each.id, 0.0) <= now]
        for each in sorted(due, key=self._urgency):
            if self._credit <= 0:
                break
            self._measure(each)
        for each in watched.values():
            self._settle(each)
        pause = min(self._due.values(), default=_MOST_PAUSE) - time.monotonic()
        return min(max(pause, _LEAST_PAUSE), 1.0)

    def _run(self) -> None:
        pause = _LEAST_PAUSE
        while not self._stopping.wait(pause):
            try:
                pause = self.run_once()
            except Unavailable as error:
                log.error("the disks cannot be watched: %s", error)
                pause = _MOST_PAUSE
            except Exception:
                log.exception("watching the disks failed; it goes on in %.0f s", _MOST_PAUSE)
                pause = _MOST_PAUSE

    def _limit(self, watched: MonitoredInstance) -> int:
        limit = self._limits.get(watched.plan)
        if limit is None:
            plan = self._context.catalogue.plan(watched.technology, watched.plan)
            limit = self._limits[watched.plan] = plan.disk_mb * MIB if plan else 0
        return limit

    def _urgency(self, watched: MonitoredInstance) -> int:
        last = self._measured.get(watched.id)
        return distance(last.used, self._limit(watched)) if last else 0

    def _measure(self, watched: MonitoredInstance) -> None:
        limit, last = self._limit(watched), self._measured.get(watched.id)
        now, cpu = time.monotonic(), self._context.runtime.cpu_seconds(watched.id)
        if last is None or watched.restriction is not Restriction.NONE or may_have_grown(last, cpu, now, limit):
            used = self._context.runtime.disk(watched.id)
            cost = time.monotonic() - now
            rate = max(0.0, (used - last.used) / (now - last.at)) if last and now > last.at else 0.0
            last = self._measured[watched.id] = Measured(now, used, cpu, rate, cost)
            self._credit -= cost
            self._context.metrics.disk_seconds.inc(cost)
        seconds = pause(last, limit, watched.restriction)
        # Those that can wait are looked at together, once a second.
        self._due[watched.id] = now + seconds if seconds < 1.0 else math.ceil(now + seconds)

    def _settle(self, watched: MonitoredInstance) -> None:
        last, limit = self._measured.get(watched.id), self._limit(watched)
        if last is None or not limit:
            return
        own = decide(watched.restriction, last.used, limit)
        wanted = max(own, self._machine, key=_SEVERITY.index)
        self._warn(watched, last.used, limit)
        if wanted is not watched.restriction or watched.failed:
            reason = _reason(last.used, limit) if wanted is own else "the disk of the machine is nearly full"
            self._restrict(watched, wanted, None if wanted is Restriction.NONE else reason)

    def _warn(self, watched: MonitoredInstance, used: int, limit: int) -> None:
        if used < DISK_WARNING * limit:
            self._warned.discard(watched.id)
        elif watched.id not in self._warned:
            self._warned.add(watched.id)
            self._context.metrics.disk_warnings.inc()
            log.warning("database %s: %s", watched.database_id, _reason(used, limit))

    def _restrict(self, watched: MonitoredInstance, wanted: Restriction, reason: str | None) -> None:
        now = self._context.now()
        with self._context.store.tx() as connection:
            if instances.get_settled(connection, watched.id) is None:
                return  # another operation is at work: the next round comes soon
            if wanted is not watched.restriction:
                instances.set_restriction(connection, watched.id, wanted, reason, now)
                tell_restricted(connection, watched.database_id, wanted, reason, now)
            delay = _AFTER_FAILURE if wanted is watched.restriction else 0.0
            operations.insert(connection, watched.database_id, OperationKind.RESTRICT, now, delay=delay)
        self._context.metrics.restrictions.labels(wanted).inc()
        log.warning("database %s is restricted: %s; %s", watched.database_id, wanted, reason or "there is space again")
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


def decide_for_machine(current: Restriction, space: Capacity) -> Restriction:
    """What any tenant may do on a machine with so much space left."""
    for restriction, share, most in (
        (Restriction.CLOSED, 0.01, 512 * MIB),
        (Restriction.READ_ONLY, 0.05, 2 * GIB),
    ):
        reserve = min(share * space.total, most)
        held = _SEVERITY.index(current) >= _SEVERITY.index(restriction)
        if space.free < reserve * (1.5 if held else 1.0):
            return restriction
    return Restriction.NONE


def distance(used: int, limit: int) -> int:
    """How many bytes more take a tenant to the next mark."""
    marks = (DISK_WARNING * limit, FULL[Restriction.READ_ONLY] * limit, FULL[Restriction.CLOSED] * limit)
    return int(min((mark - used for mark in marks if mark > used), default=0))


def may_have_grown(last: Measured, cpu: float | None, now: float, limit: int) -> bool:
    """Whether the server has had the processor time to come half the way to the next mark since it was measured."""
    if cpu is None or last.cpu is None or now - last.at > MOST_AGE:
        return True
    return (cpu - last.cpu) * _PER_CPU_SECOND > distance(last.used, limit) / 2


def is_current(last: Measured, cpu: float | None, now: float) -> bool:
    """Whether the server has hardly had the processor time to write anything since it was measured, or just was."""
    if now - last.at < _LEAST_AGE:
        return True
    if cpu is None or last.cpu is None or now - last.at > MOST_AGE:
        return False
    return (cpu - last.cpu) * _PER_CPU_SECOND < _UNSEEN


def pause(last: Measured, limit: int, restriction: Restriction) -> float:
    """Seconds until the server is looked at again: when the fastest writer is half the way to a full disk."""
    most = _MOST_PAUSE if restriction is Restriction.NONE else _RESTRICTED_PAUSE
    left = FULL[Restriction.CLOSED] * limit - last.used
    seconds = left / (2 * max(_WRITER, last.rate)) if left > 0 else most
    return max(_LEAST_PAUSE, min(seconds, most), last.cost / _SHARE_OF_ONE)


def _reason(used: int, limit: int) -> str:
    return f"{used * 100 // limit} % of its disk is used ({used / GIB:.2f} of {limit / GIB:.2f} GB)"
