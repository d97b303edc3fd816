"""The reconciler makes operations advance, repairs drift, watches disks and health, backs up, and keeps spares."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Protocol

from dbyard.operations import Context
from dbyard.reconciler.archive_copies import ArchiveCopies
from dbyard.reconciler.backups import BackupScheduler
from dbyard.reconciler.disk import DiskMonitor
from dbyard.reconciler.drift import DriftReconciler
from dbyard.reconciler.health import LivenessMonitor
from dbyard.reconciler.journal_retention import JournalRetention
from dbyard.reconciler.journals import JournalArchiver
from dbyard.reconciler.manifests import Manifests
from dbyard.reconciler.observed import Observed
from dbyard.reconciler.queue import Queue
from dbyard.reconciler.running_spares import RunningSpares
from dbyard.reconciler.spares import Spares
from dbyard.reconciler.state_copies import StateCopies

_STOP_SECONDS = 2.0


class _Part(Protocol):
    threads: list[threading.Thread]

    def start(self) -> None: ...


class Reconciler:
    def __init__(
        self,
        context: Context,
        *,
        workers: int,
        spares: int,
        running_spares: int = 0,
        timeout: float = 0.0,
        scheduled_backups: bool = True,
        home: Path | None = None,
    ) -> None:
        """`workers` threads run steps; `spares` directories are kept ready for each server in use.

        `running_spares` servers are kept running for each that starts slowly; a server that does not answer for
        `timeout` seconds is started again, with 0 never. With a `home` its state is copied into the archive every day.
        """
        self._stopping = threading.Event()
        self._queue = Queue(context, self._stopping, workers)
        self.observed = Observed(context)
        self._drift = DriftReconciler(context, self._stopping, self._queue.wake, self.observed)
        self._disk = DiskMonitor(context, self._stopping, self._queue.wake)
        self._health = LivenessMonitor(context, self._stopping, self._queue.wake, timeout, self.observed)
        self._spares = Spares(context, self._stopping, spares, self._queue.is_busy)
        self._running_spares = RunningSpares(context, self._stopping, running_spares, self._queue.is_busy)
        backups = BackupScheduler(context, self._stopping, self._queue.wake, scheduled=scheduled_backups)
        self.journals = JournalArchiver(context, self._stopping)
        self._context = context
        parts = (self._queue, self._drift, self._disk, self._health, self._spares, self._running_spares, backups)
        copies = [StateCopies(context, self._stopping, home)] if home and scheduled_backups else []
        retention, manifests = JournalRetention(context, self._stopping), Manifests(context, self._stopping)
        mirror = ArchiveCopies(context, self._stopping)
        self._parts: tuple[_Part, ...] = (*parts, self.journals, retention, manifests, mirror, *copies)

    def start(self) -> None:
        self._context.runtime.watch(self._drift.server_ended)
        self._queue.void_claims()
        self._drift.reconcile()
        for part in self._parts:
            part.start()

    def wake(self) -> None:
        """A hint that an operation is due; without it the queue finds it a little later."""
        self._queue.wake()

    def disk_used(self, instance_id: str) -> int:
        """The bytes that an instance takes on disk, to be shown."""
        return self._disk.used(instance_id)

    def stop(self) -> None:
        """Let steps end that are about to; what is left, finished or not, goes on when the platform starts again."""
        self._stopping.set()
        self._queue.wake_all()
        deadline = time.monotonic() + _STOP_SECONDS
        for thread in (thread for part in self._parts for thread in part.threads):
            thread.join(max(0.0, deadline - time.monotonic()))
