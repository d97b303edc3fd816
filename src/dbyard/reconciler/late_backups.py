"""Backups that are overdue or fail are counted, and an overdue one is told once: never silence."""

from __future__ import annotations

from collections import Counter

from dbyard import engines
from dbyard.model import BackupReport, BackupState, Database, EventType, Instance
from dbyard.operations import Context
from dbyard.reconciler.record_event import record_backup_overdue
from dbyard.service.databases import backup_report
from dbyard.store import databases, events, instances

_TOLD = (BackupState.OVERDUE, BackupState.FAILING)


def tell(context: Context, *, scheduled: bool) -> None:
    """Of all databases whose technology has backups, and that were ready once."""
    with context.store.read() as connection:
        found = databases.list_all(connection)
    counts: Counter[str] = Counter()
    for database in found:
        if engines.find_backups(context.catalogue.get(database.technology), database.version) is None:
            continue
        with context.store.read() as connection:
            instance = instances.get_primary(connection, database.id)
            if instance is None or instance.ready_at is None:
                continue
            report = backup_report.report(connection, instance, context.now(), scheduled=scheduled)
        counts[report.state] += 1
        if report.state is BackupState.OVERDUE:
            _record(context, database, instance, report)
    for state in _TOLD:
        context.metrics.late_backups.labels(state).set(counts[state])


def _record(context: Context, database: Database, instance: Instance, report: BackupReport) -> None:
    """Once for each backup that is the last."""
    since, now = report.last_at or instance.ready_at or 0.0, context.now()
    with context.store.tx() as connection:
        if not events.was_told(connection, database.id, EventType.BACKUP_OVERDUE, since):
            record_backup_overdue(connection, database, report.message or "", now)
