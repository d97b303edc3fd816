"""Servers that run and do not work: each is asked now and then, and one that is silent for minutes is started again.

A busy machine must never look like that. So one answer forgives everything; silence does not count while the server
writes to its disk (it builds an index, or recovers); and when most servers are silent, nothing is wrong with them.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dbyard.errors import DbyardError, Unavailable
from dbyard.model import InstanceState, OperationKind
from dbyard.operations import Context, server
from dbyard.operations.heal import RESTART
from dbyard.operations.server import ProbeResult
from dbyard.operations.target import load_database
from dbyard.store import instances, operations
from dbyard.store.instances import MonitoredInstance

log = logging.getLogger(__name__)

_ROUND, _SUSPECT_ROUND = 60.0, 10.0
_LEAST_TIMES = 4
"""A server is asked so often before it is started again, however long nobody could ask it."""
_FEW = 3
"""Fewer silent servers than this never say anything about the machine."""
_LEAST_PAUSE, _MOST_PAUSE = 0.05, 1.0
_AFTER_FAILURE = 15.0


@dataclass(frozen=True, slots=True)
class ProbeFailures:
    """Since when a server says nothing, how often it was asked, and what it had written to its disk."""

    since: float
    times: int
    written: int | None


class LivenessMonitor:
    def __init__(self, context: Context, stopping: threading.Event, wake: Callable[[], None], patience: float) -> None:
        """`patience`: the seconds of silence after which a server is started again; 0 for never."""
        self._context = context
        self._stopping = stopping
        self._wake = wake
        self._patience = patience
        self._due: dict[str, float] = {}
        self._silent: dict[str, ProbeFailures] = {}
        self.threads = [threading.Thread(target=self._run, name="pulse", daemon=True)] if patience else []

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def run_once(self) -> float:
        """Ask whoever is due; the seconds until somebody is due again."""
        watched = self._context.store.cached("watched", instances.list_watched)
        self._forget_all_but({each.id for each in watched})
        for each in watched:
            due = self._due.setdefault(each.id, time.monotonic() + random.uniform(0, self._round))  # noqa: S311
            if due <= time.monotonic() and not self._stopping.is_set():
                self._ask(each)
        for each in watched:
            if self._is_lost(each, watched):
                self._restart(each)
        self._context.metrics.silent_servers.set(len(self._silent))
        return min(self._due.values(), default=time.monotonic() + _MOST_PAUSE) - time.monotonic()

    @property
    def _round(self) -> float:
        return min(_ROUND, self._patience / 2)

    def _run(self) -> None:
        pause = _MOST_PAUSE
        while not self._stopping.wait(pause):
            try:
                pause = max(_LEAST_PAUSE, min(self.run_once(), _MOST_PAUSE))
            except Unavailable as error:
                log.error("silent servers cannot be told from others: %s", error)
                pause = _AFTER_FAILURE
            except Exception:
                log.exception("asking servers failed; it goes on in %.0f s", _AFTER_FAILURE)
                pause = _AFTER_FAILURE

    def _forget_all_but(self, known: set[str]) -> None:
        for instance_id in self._due.keys() - known:
            del self._due[instance_id]
            self._silent.pop(instance_id, None)

    def _ask(self, watched: MonitoredInstance) -> None:
        voice = self._listen_to(watched)
        if voice is ProbeResult.ANSWERS:
            self._silent.pop(watched.id, None)
            self._due[watched.id] = time.monotonic() + self._round
            return
        now, written = time.monotonic(), self._context.runtime.written(watched.id)
        last = self._silent.get(watched.id)
        if last is None:
            log.warning("the server of instance %s says nothing", watched.id)
        if last is None or (voice is ProbeResult.SILENT and written != last.written):
            last = ProbeFailures(now, 0, written)
        self._silent[watched.id] = ProbeFailures(last.since, last.times + 1, written)
        self._due[watched.id] = now + min(_SUSPECT_ROUND, self._patience / _LEAST_TIMES)

    def _listen_to(self, watched: MonitoredInstance) -> ProbeResult:
        """What is not there, or has an operation at work on it, is somebody else's affair."""
        if self._context.runtime.state(watched.id) is not InstanceState.RUNNING:
            return ProbeResult.ANSWERS
        try:
            return server.listen(self._context, load_database(self._context, watched.database_id))
        except Unavailable:
            raise
        except DbyardError:
            return ProbeResult.ANSWERS

    def _is_lost(self, watched: MonitoredInstance, all_watched: Sequence[MonitoredInstance]) -> bool:
        silence = self._silent.get(watched.id)
        if silence is None or silence.times < _LEAST_TIMES:
            return False
        if len(self._silent) >= _FEW and len(self._silent) * 2 > len(all_watched):
            return False
        return time.monotonic() - silence.since >= self._patience

    def _restart(self, watched: MonitoredInstance) -> None:
        now = self._context.now()
        with self._context.store.tx() as connection:
            if instances.get_settled(connection, watched.id) is not None:
                operations.insert(connection, watched.database_id, OperationKind.HEAL, now, step=RESTART)
        log.warning("the server of instance %s has said nothing for too long: it is started again", watched.id)
        self._silent.pop(watched.id, None)
        self._due.pop(watched.id, None)
        self._wake()
