"""How it stands with a database's backups: shown with the database, and told when they are overdue."""

from __future__ import annotations

from collections.abc import Sequence

from dbyard.model import (
    DAY,
    Backup,
    BackupReport,
    BackupSchedule,
    BackupState,
    BackupStatus,
    Instance,
    VerificationState,
)
from dbyard.store import Connection, backups

_OVERDUE = 1.5 * DAY


def report(connection: Connection, instance: Instance, now: float, *, scheduled: bool) -> BackupReport:
    """Of the database of that primary; `scheduled` says whether the platform backs anything up by itself."""
    schedule = backups.schedule_of(connection, instance.database_id)
    found = backups.list_for(connection, instance.database_id)
    return describe(found, schedule, instance.ready_at, now, scheduled=scheduled)


def describe(
    found: Sequence[Backup], schedule: BackupSchedule, ready_at: float | None, now: float, *, scheduled: bool
) -> BackupReport:
    """`found` are newest first. A backup that failed, or is not proved, comes before one that is overdue. Pure."""
    ended = next((each for each in found if each.status in (BackupStatus.DONE, BackupStatus.ERROR)), None)
    done = next((each for each in found if each.status is BackupStatus.DONE), None)
    proved = next((each for each in found if each.verification.state is VerificationState.VERIFIED), None)
    state, message = BackupState.OK, None
    since = done.created_at if done else ready_at
    if ended is not None and ended.error is not None:
        state, message = BackupState.FAILING, f"the last one failed: {ended.error}"
    elif done is not None and done.verification.state is VerificationState.FAILED:
        state, message = BackupState.FAILING, f"the last one is damaged: {done.verification.message}"
    elif not (scheduled and schedule.enabled):
        state, message = BackupState.OFF, "it is not backed up without being asked"
    elif since is not None and now - since > _OVERDUE:
        hours = int((now - since) / 3600)
        state, message = BackupState.OVERDUE, f"there is no backup of the last {hours} hours"
    return BackupReport(state, done.created_at if done else None, proved.created_at if proved else None, message)
