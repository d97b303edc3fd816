"""Servers that run and do not work: each is probed now and then, and one that fails for minutes is started again.

A busy machine must never look like that. So one answer clears all failures; failures do not count while the server
writes to its disk (it builds an index, or recovers); and when most servers are silent, nothing is wrong with them.
Servers that failed have probing threads of their own: however many they are, and however slowly they fail, the others
are probed in time.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from dbyard.errors import DbyardError, Unavailable
from dbyard.model import OPERATIONS, InstanceState, OperationKind
from dbyard.operations import Context, server
from dbyard.operations.heal import RESTART
from dbyard.operations.server import ProbeResult
from dbyard.operations.target import load_database
from dbyard.reconciler.logins import LoginMonitor
from dbyard.reconciler.loop import logged, loop
from dbyard.reconciler.observed import Observed
from dbyard.store import instances, operations
from dbyard.store.instances import MonitoredInstance

log = logging.getLogger(__name__)

UNRESPONSIVE = "the server runs and does not answer: it is started again if that lasts"
_ROUND, _SUSPECT_ROUND = 60.0, 10.0
_LEAST_TIMES = 4
"""A server is probed so often before it is started again, however long it could not be probed."""
_FEW = 3
"""Fewer silent servers than this never say anything about the machine."""
_PAUSE = 1.0
_PROBERS = (False, False, True, True)
"""Threads that probe, by whether they probe servers that failed at their last probe, or all others."""
_YIELDING = [kind for kind, policy in OPERATIONS.items() if policy.yields]


@dataclass(frozen=True, slots=True)
class ProbeFailures:
    """Since when probes of a server fail, how many did, and what it had written to its disk."""

    since: float
    times: int
    bytes_written: int | None


class LivenessMonitor:
    def __init__(
        self,
        context: Context,
        stopping: threading.Event,
        wake: Callable[[], None],
        timeout: float,
        observed: Observed | None = None,
    ) -> None:
        """`timeout`: the seconds without an answer after which a server is started again; with 0 that is only told."""
        self._context = context
        self._observed = observed or Observed(context)
        self._stopping = stopping
        self._wake = wake
        self._timeout = timeout
        self._monitored: Sequence[MonitoredInstance] = ()
        self._lock = threading.Lock()
        """Held while the next server to probe is chosen."""
        self._due: dict[str, float] = {}
        self._failures: dict[str, ProbeFailures] = {}
        self._logins = LoginMonitor(context)
        self.threads = [
            loop("health", stopping, self.run_once),
            *(loop("probe", stopping, partial(self.probe_next, of_failed)) for of_failed in _PROBERS),
        ]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def run_once(self) -> float:
        """Restart the servers that are lost, and tell which are silent; the seconds until the next time."""
        monitored = self._context.store.cached("monitored", instances.list_monitored)
        self._forget_all_but({each.id for each in monitored})
        for each in monitored:
            self._due.setdefault(each.id, time.monotonic() + random.uniform(0, self._round))  # noqa: S311
        self._monitored = monitored
        for each in monitored:
            if self._is_lost(each, monitored):
                self._restart(each)
        failures = dict(self._failures)
        silent = {each for each, told in failures.items() if told.times > 1}
        self._observed.note_silent(dict.fromkeys(() if self._is_overloaded(monitored) else silent, UNRESPONSIVE))
        self._context.metrics.silent_servers.set(len(failures))
        return _PAUSE

    def probe_next(self, of_failed: bool) -> float:
        """Probe the server that has been due for longest, if one is due; the seconds until the next time."""
        now = time.monotonic()
        with self._lock:
            waiting = [each for each in self._monitored if (each.id in self._failures) is of_failed]
            found = min(waiting, key=self._due_at, default=None)
            if found is None or self._due_at(found) > now:
                return _PAUSE
            self._due[found.id] = now + self._round  # unless it fails
        with logged(f"to probe instance {found.id}"):
            self._probe(found)
        return 0.0

    def _due_at(self, monitored: MonitoredInstance) -> float:
        return self._due.get(monitored.id, float("inf"))

    @property
    def _round(self) -> float:
        return min(_ROUND, self._timeout / 2 or _ROUND)

    def _forget_all_but(self, known: set[str]) -> None:
        for instance_id in self._due.keys() - known:
            self._due.pop(instance_id, None)
            self._failures.pop(instance_id, None)
            self._logins.forget(instance_id)

    def _probe(self, monitored: MonitoredInstance) -> None:
        result = self._result_of(monitored)
        if result is ProbeResult.ANSWERS:
            self._failures.pop(monitored.id, None)
            return
        now, written = time.monotonic(), self._context.runtime.usage(monitored.id).bytes_written
        last = self._failures.get(monitored.id)
        if last is None:
            log.warning("the server of instance %s does not answer", monitored.id)
        if last is None or (result is ProbeResult.SILENT and written != last.bytes_written):
            last = ProbeFailures(now, 0, written)
        self._failures[monitored.id] = ProbeFailures(last.since, last.times + 1, written)
        self._due[monitored.id] = now + min(_SUSPECT_ROUND, self._timeout / _LEAST_TIMES or _SUSPECT_ROUND)

    def _result_of(self, monitored: MonitoredInstance) -> ProbeResult:
        """A server that does not run is the drift reconciler's; so is one whose database changes just now."""
        if self._context.runtime.status(monitored.id).state is not InstanceState.RUNNING:
            return ProbeResult.ANSWERS
        try:
            target = load_database(self._context, monitored.database_id, monitored.id)
            result = server.probe(self._context, target)
            if result is ProbeResult.ANSWERS:
                self._logins.check(target)
            return result
        except Unavailable:
            raise
        except DbyardError:
            return ProbeResult.ANSWERS

    def _is_lost(self, monitored: MonitoredInstance, everyone: Sequence[MonitoredInstance]) -> bool:
        failures = self._failures.get(monitored.id)
        if not self._timeout or failures is None or failures.times < _LEAST_TIMES:
            return False
        return not self._is_overloaded(everyone) and time.monotonic() - failures.since >= self._timeout

    def _is_overloaded(self, everyone: Sequence[MonitoredInstance]) -> bool:
        """Whether most servers are silent: nothing is wrong with them, the machine is too busy."""
        return len(self._failures) >= _FEW and len(self._failures) * 2 > len(everyone)

    def _restart(self, monitored: MonitoredInstance) -> None:
        """In the place of an operation that waits for the server; what that wanted is asked for again afterwards."""
        now, kind = self._context.now(), OperationKind.HEAL
        with self._context.store.tx() as connection:
            operations.interrupt(connection, monitored.database_id, _YIELDING, now)
            if operations.exclusive_of(connection, monitored.database_id) is not None:
                return
            operations.insert(connection, monitored.database_id, kind, now, step=RESTART, instance_id=monitored.id)
            instances.set_down(connection, monitored.id, now, "the server does not answer")
        log.warning("the server of instance %s has not answered for too long: it is started again", monitored.id)
        self._failures.pop(monitored.id, None)
        self._due.pop(monitored.id, None)
        self._wake()
