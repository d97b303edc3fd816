"""A state that was put back on a machine that has none of its servers, from what the archive holds.

What the archive knows of backups is written into it, and every database is to be made again of its newest proved one.
Nothing is removed: of a database without a backup all stays but its data.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from dbyard.archive import manifests
from dbyard.archive.locations import Location
from dbyard.errors import BackupDamaged, ObjectMissing
from dbyard.model import (
    PLATFORM_ID,
    Backup,
    BackupStatus,
    Database,
    EventType,
    Operation,
    OperationKind,
    Role,
    Verification,
    VerificationState,
)
from dbyard.operations import recover, recovered_journals
from dbyard.secrets import Box
from dbyard.store import (
    Connection,
    Store,
    accounts,
    backups,
    credentials,
    database_users,
    databases,
    endpoints,
    events,
    instances,
    operations,
)

log = logging.getLogger(__name__)

_MISSING = "the archive has no such backup"
_NO_BACKUP = "the machine was lost, and there is no backup of the database: nothing brings its data back"
_UNFINISHED = "the machine was lost before the backup was done"


@dataclass(frozen=True, slots=True)
class Recovery:
    """What becomes of each database: the backup that it is made of, or None. `unknown` are ids of databases that the
    state does not know and the archive has backups of."""

    made: Sequence[tuple[Database, Backup | None]]
    unknown: frozenset[str]


def prepare(store: Store, archive: Location, box: Box, now: float, report: Callable[[str], None]) -> Recovery:
    """Write into the state what is to be done when the platform serves it. `report` is told how far it is.

    Raises ArchiveUnavailable; then nothing is written.
    """
    found = adopt_backups(store, archive, box, report)
    recovered_journals.adopt(store, archive)
    with store.tx() as connection:
        _mark_missing(connection, found)
        made = [(each, _ask_for(connection, each, now)) for each in databases.list_all(connection)]
        unknown = {each.database_id for each in found.values()} - databases.list_ids(connection)
        admin = accounts.find_account(connection, "admin")
        data = {"databases": len(made), "without_backup": sum(backup is None for _, backup in made)}
        owner = admin.id if admin else PLATFORM_ID
        events.record(connection, None, EventType.STATE_RECOVERED, now, owner_id=owner, data=data)
    return Recovery(made, frozenset(unknown))


def adopt_backups(store: Store, archive: Location, box: Box, report: Callable[[str], None]) -> Mapping[str, Backup]:
    """Let the state know the backups that the archive has whole; all of them.

    Raises ArchiveUnavailable; then nothing is written.
    """
    with store.read() as connection:
        known = {each.id: each for each in backups.list_all(connection)}
    found = _read_archive(archive, box, known, report)
    with store.tx() as connection:
        _merge(connection, known, found)
    return found


def _read_archive(
    archive: Location, box: Box, known: Mapping[str, Backup], report: Callable[[str], None]
) -> dict[str, Backup]:
    """By id all backups that the archive has whole. Of those that are known to be done no manifest is read again."""
    found: dict[str, Backup] = {}
    ids = manifests.list_databases(archive)
    for number, database_id in enumerate(ids, 1):
        key = box.derive_key("archive", database_id)
        report(f"reading the archive: {number} of {len(ids)}")
        for backup_id in manifests.list_backups(archive, database_id):
            stored = known.get(backup_id)
            if (
                stored
                and stored.status is BackupStatus.DONE
                and stored.verification.state is VerificationState.VERIFIED
            ):
                found[backup_id] = stored
                continue
            try:
                found[backup_id] = manifests.read(archive, key, f"{database_id}/{backup_id}")
            except ObjectMissing:
                continue  # a log, or one that was never done
            except BackupDamaged as error:
                log.warning("backup %s/%s is left out: %s", database_id, backup_id, error)
    return found


def _merge(connection: Connection, known: Mapping[str, Backup], found: Mapping[str, Backup]) -> None:
    for backup in found.values():
        stored = known.get(backup.id)
        if stored is not None and stored.deleted_at is not None:
            continue  # it was about to be removed
        if stored is None:
            backups.insert(connection, backup)
        if stored is None or stored.status is not BackupStatus.DONE:
            backups.set_started(connection, replace(backup, started_at=backup.started_at or backup.created_at))
            backups.finish(connection, backup)
        if backup.verification.state is not VerificationState.PENDING:
            backups.set_verification(connection, backup.id, backup.verification)


def _mark_missing(connection: Connection, found: Mapping[str, Backup]) -> None:
    """What the state knows and the archive has not, which is the one that the state came from."""
    for backup in backups.list_all(connection):
        if backup.id in found or backup.deleted_at is not None or backup.error is not None:
            continue
        if backup.status is BackupStatus.DONE:
            lost = Verification(VerificationState.FAILED, backup.verification.at, None, _MISSING)
            backups.set_verification(connection, backup.id, lost)
        else:
            backups.fail(connection, backup.id, _UNFINISHED)


def _ask_for(connection: Connection, database: Database, now: float) -> Backup | None:
    """What it is made of; one that was being created is created."""
    active = operations.exclusive_of(connection, database.id)
    operations.supersede(connection, database.id, now)
    for instance in instances.list_for(connection, database.id):
        if instance.role is not Role.PRIMARY:
            instances.delete(connection, instance.id)
    for endpoint in endpoints.list_for(connection, database.id):
        endpoints.forget_address(connection, endpoint.id)
    primary = instances.get_primary(connection, database.id)
    if primary is None:
        return None
    chosen = recover.best(backups.list_for(connection, database.id))
    instances.set_lost(connection, primary.id, _NO_BACKUP)
    if chosen is not None:
        credentials.set_pending(connection, database.id)
        database_users.set_all_pending(connection, database.id)
        recover.ask(connection, primary.id, chosen, now)
    elif _was_being_created(active):
        operations.insert(connection, database.id, OperationKind.CREATE, now)
    return chosen


def _was_being_created(active: Operation | None) -> bool:
    """Nothing was ever in it; the copy of another one needs the data of that."""
    return active is not None and active.kind == OperationKind.CREATE and "backup_id" not in active.params
