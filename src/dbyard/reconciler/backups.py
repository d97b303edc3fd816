"""Daily backups, and the removal of those that are too old and of what was left half made."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from dbyard import engines
from dbyard.archive.stores import open_store
from dbyard.engines import Journals
from dbyard.errors import ArchiveUnavailable
from dbyard.model import (
    DAY,
    Backup,
    BackupMethod,
    BackupStatus,
    OperationKind,
    Retention,
    VerificationState,
    retention_of,
)
from dbyard.operations import Context
from dbyard.reconciler import late_backups, uploads
from dbyard.reconciler.loop import logged, loop
from dbyard.service.databases.backups import queue_backup
from dbyard.store import backups, databases, instances, operations
from dbyard.store.backups import Scheduled

log = logging.getLogger(__name__)

_PERIOD = 30.0
_HOUR = 3600.0
_BASE_AFTER, _BASE_PAUSE = 300.0, 900.0
"""Seconds from a server's first answer to its first backup, at least, and between two attempts at one."""
_SUNDAY = 6
_FAILED_DAYS = 7
_ABANDONED = "the operation that made it has ended"


class BackupScheduler:
    def __init__(
        self, context: Context, stopping: threading.Event, wake: Callable[[], None], *, scheduled: bool
    ) -> None:
        self._context = context
        self._wake = wake
        self._scheduled = scheduled
        self._hourly_at = 0.0
        self._started_at = context.now()
        self.threads = [loop("backups", stopping, self.run_once)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def run_once(self) -> float:
        """Ask for what is due, and remove what nobody needs any more; the seconds until the next look."""
        if self._scheduled:
            self._ask_for_due()
            self._prove_again()
        if time.monotonic() >= self._hourly_at:
            self._hourly_at = time.monotonic() + _HOUR
            self._mark_expired()
            uploads.sweep(self._context, self._started_at)
            late_backups.tell(self._context, scheduled=self._scheduled)
        self._remove_instances()
        try:
            self._remove_abandoned()
            self._remove_deleted()
        except ArchiveUnavailable as error:
            log.warning("nothing is removed from the archive for now: %s", error)
        return _PERIOD

    def _ask_for_due(self) -> None:
        now = self._context.now()
        with self._context.store.read() as connection:
            due = [each for each in backups.list_scheduled(connection) if self._is_due(each, now)]
        for each in due:
            with logged(f"to ask for a backup of database {each.id}"):
                self._ask_for(each)

    def _ask_for(self, scheduled: Scheduled) -> None:
        now = self._context.now()
        with self._context.store.tx() as connection:
            database = databases.get(connection, scheduled.id)
            instance = instances.get_primary(connection, scheduled.id)
            if database is None or database.deleted_at is not None or instance is None:
                return
            queue_backup(connection, database, instance, BackupMethod.PERIODIC, now)
        self._wake()

    def _is_due(self, scheduled: Scheduled, now: float) -> bool:
        engine = engines.find_backups(self._context.catalogue.get(scheduled.technology), scheduled.version)
        if engine is None:
            return False
        return is_due(scheduled, now) or (isinstance(engine, Journals) and is_base_due(scheduled, now))

    def _prove_again(self) -> None:
        """What was not proved, because a proof came to no end, is tried again an hour later."""
        now = self._context.now()
        with self._context.store.read() as connection:
            found = backups.list_unproved(connection, now - _HOUR)
        for each in found:
            with self._context.store.tx() as connection:
                params = {"backup_id": each.id}
                operations.insert(connection, each.database_id, OperationKind.VERIFY_BACKUP, now, params=params)
            self._wake()

    def _remove_abandoned(self) -> None:
        """A delete or a killed platform may leave one that will never be done; nothing of it stays in the archive."""
        with self._context.store.read() as connection:
            found = backups.list_abandoned(connection)
        for each in found:
            open_store(self._context.archive).delete_all(each.directory)
            with self._context.store.tx() as connection:
                backups.fail(connection, each.id, _ABANDONED)

    def _mark_expired(self) -> None:
        now = self._context.now()
        with self._context.store.read() as connection:
            ids = backups.list_databases(connection)
        for database_id in ids:
            with self._context.store.read() as connection:
                found = backups.list_for(connection, database_id)
                database = databases.get(connection, database_id)
                found = [each for each in found if not backups.is_worked_on(connection, each.id)]
            is_deleted = database is None or database.deleted_at is not None
            for each in list_expired(found, now, is_deleted=is_deleted):
                with self._context.store.tx() as connection:
                    backups.set_deleted(connection, each.id, now)

    def _remove_instances(self) -> None:
        """Data that a restore has replaced and that are not kept any more, and what an operation has left behind."""
        with self._context.store.read() as connection:
            found = instances.list_retired(connection, self._context.now() - DAY)
            found += instances.list_left(connection)
        for each in found:
            with logged(f"to remove the {each.role} instance {each.id}"):
                self._context.runtime.destroy(each.id, each.generation)
                self._context.runtime.unpublish(each.id)
                with self._context.store.tx() as connection:
                    instances.delete(connection, each.id)

    def _remove_deleted(self) -> None:
        """From the archive first: what is left there by a kill is found by its row."""
        with self._context.store.read() as connection:
            found = backups.list_deleted(connection)
        for each in found:
            open_store(self._context.archive).delete_all(each.directory)
            with self._context.store.tx() as connection:
                backups.delete(connection, each.id)
                if self._context.archive.copy is not None:
                    backups.note_removed(connection, each.directory, self._context.now())


# ---- the rules, all pure ----------------------------------------------------------------------------------------


def last_slot(database_id: str, hour: int, now: float) -> float:
    """When the database was to be backed up the last time: each day in that hour, at a moment of its own within it."""
    today = now - now % DAY + hour * _HOUR + int(_spread(database_id) * _HOUR)
    return today if today <= now else today - DAY


def is_due(scheduled: Scheduled, now: float) -> bool:
    """Whether its last moment has passed without a backup; one that the platform slept through is made up for.

    After one that has failed it is tried again in an hour. What was made in the future, by a clock that was wrong,
    does not count.
    """
    slot = last_slot(scheduled.id, scheduled.hour, now)
    made = [at for at in (scheduled.created_at, scheduled.last_at) if at is not None and at <= now]
    tried = scheduled.tried_at is not None and now - _HOUR < scheduled.tried_at <= now
    return max(made, default=0.0) < slot and not tried


def is_base_due(scheduled: Scheduled, now: float) -> bool:
    """Whether a backup is due because a journal has none to begin at: of a new server, or after a gap.

    A new one is left in peace for some minutes, of which it gets a number of its own.
    """
    tried_at = scheduled.base_tried_at
    if scheduled.has_base or (tried_at is not None and now - _BASE_PAUSE < tried_at <= now):
        return False
    return now >= scheduled.ready_at + _BASE_AFTER * (1 + _spread(scheduled.id))


def list_expired(found: Sequence[Backup], now: float, *, is_deleted: bool) -> list[Backup]:
    """Which of a database's backups, newest first, are not kept any more: never the newest one that is proved."""
    proved = next((each for each in found if each.verification.state is VerificationState.VERIFIED), None)
    manual = [each for each in found if each.method is BackupMethod.MANUAL and each.status is BackupStatus.DONE]
    return [
        each
        for each in found
        if (is_deleted or each is not proved) and not _is_kept(each, manual, retention_of(each.plan), now, is_deleted)
    ]


def _spread(database_id: str) -> float:
    """A number from 0 to 1 of the database's own."""
    return int.from_bytes(hashlib.sha256(database_id.encode()).digest()[:4], "big") / (1 << 32)


def _is_kept(backup: Backup, manual: Sequence[Backup], kept: Retention, now: float, is_deleted: bool) -> bool:
    days = (now - backup.created_at) / DAY
    if backup.status is not BackupStatus.DONE:
        return days <= _FAILED_DAYS
    if backup.method is BackupMethod.MANUAL:
        return days <= kept.manual_days if is_deleted else backup in manual[: kept.manual]
    made = datetime.fromtimestamp(backup.created_at, UTC)
    is_sunday = made.weekday() == _SUNDAY
    is_first = is_sunday and made.day <= 7
    return days <= kept.daily or (is_sunday and days <= kept.weekly * 7) or (is_first and days <= kept.monthly * 31)
