"""The platform's own state goes into the archive every day, so that a lost machine can be made again."""

from __future__ import annotations

import logging
import sqlite3
import threading
from pathlib import Path

from dbyard.archive.state_copies import StateArchive, time_of
from dbyard.errors import ArchiveUnavailable, BackupDamaged, ObjectMissing
from dbyard.model import DAY, EventType
from dbyard.operations import Context
from dbyard.reconciler.loop import loop
from dbyard.reconciler.record_event import record_for_admin

log = logging.getLogger(__name__)

_PERIOD, _RETRY = 60.0, 600.0
_OVERDUE = 1.5 * DAY


class StateCopies:
    def __init__(self, context: Context, stopping: threading.Event, home: Path) -> None:
        self._context = context
        self._home = home
        self._archive = StateArchive(context.archive, context.box)
        self._last_at: float | None = None
        self._told = False
        self.threads = [loop("state copies", stopping, self.run_once)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def run_once(self) -> float:
        """Copy the state if it is time; the seconds until the next look."""
        now = self._context.now()
        if self._is_recent(now, DAY):
            return _PERIOD
        try:
            self._last_at = self._archive.last_at(now)
            if not self._is_recent(now, DAY):
                self._copy(now)
        except (ArchiveUnavailable, BackupDamaged, ObjectMissing, OSError, sqlite3.Error) as error:
            self._note_failure(str(error), now)
            return _RETRY
        self._told = False
        self._context.metrics.state_copied.set(self._last_at or 0.0)
        return _PERIOD

    def _copy(self, now: float) -> None:
        with self._context.store.read() as source:
            name = self._archive.put(self._home, source, now)
        self._last_at = time_of(name)
        log.info("the state is in the archive as %s", name)

    def _note_failure(self, reason: str, now: float) -> None:
        """An event once, when the last copy is too old and until there is one."""
        log.error("the state cannot be copied into the archive: %s; it is tried again in %.0f s", reason, _RETRY)
        self._context.metrics.state_copy_failures.inc()
        if not self._told and not self._is_recent(now, _OVERDUE):
            with self._context.store.tx() as connection:
                record_for_admin(connection, EventType.STATE_COPY_OVERDUE, reason, now)
            self._told = True

    def _is_recent(self, now: float, seconds: float) -> bool:
        """Whether the last copy is not older; one of the future was made by a clock that was wrong."""
        return self._last_at is not None and 0 <= now - self._last_at < seconds
