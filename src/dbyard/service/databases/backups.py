"""Backups of a database: listed, asked for, deleted, proved again, and downloaded by a link."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from dbyard import engines
from dbyard.archive import reading
from dbyard.engines import Backups, Journals
from dbyard.errors import Conflict, Invalid, NotFound, Unauthorized
from dbyard.model import (
    DAY,
    Access,
    Backup,
    BackupMethod,
    BackupSchedule,
    BackupStatus,
    Database,
    EventType,
    Instance,
    Operation,
    OperationKind,
    Plan,
    Principal,
    Retention,
    Role,
    VerificationState,
    retention_of,
)
from dbyard.secrets import make_id
from dbyard.service import Service
from dbyard.service.accounts import authentication
from dbyard.service.authorization import authorize_database
from dbyard.service.databases.create import create as create_database
from dbyard.service.databases.create_request import CreateRequest
from dbyard.service.databases.databases import event_data
from dbyard.service.databases.operations import OperationHistory, find_history, find_last, queue, start
from dbyard.store import Connection, active_operations, backups, credentials, events, instances, operations


@dataclass(frozen=True, slots=True)
class BackupLink:
    """Its token gives access to the content of the backup, and to nothing else, for an hour."""

    backup: Backup
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BackupContent:
    """What the server's own tools read, of which there are `size` bytes.

    `pieces` are those from the byte `start` up to `end`; empty ones stand for what is before.
    """

    backup: Backup
    name: str
    size: int
    start: int
    end: int
    pieces: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Restoration:
    """A restore, and the operation that tells how far it is: itself, or the switch that it ends with."""

    operation: Operation
    last: Operation


def list_all(service: Service, principal: Principal, key: str) -> Sequence[Backup]:
    """Newest first."""
    with service.store.read() as reading:
        database = authorize_database(reading, principal, key)
        return backups.list_for(reading, database.id)


def get(service: Service, principal: Principal, backup_id: str, key: str | None = None) -> Backup:
    """A backup of a database that the principal may use; of the database `key`, if one is given."""
    with service.store.read() as reading:
        return _find(reading, principal, backup_id, key)


def create(service: Service, principal: Principal, key: str) -> Backup:
    """Ask for a backup. Raises Conflict for a database that never got ready, or while another one of it is made.

    Raises Invalid for a technology without backups.
    """
    now = service.clock()
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, Access.CHANGE)
        if active_operations.is_active(connection, database.id, OperationKind.BACKUP):
            raise Conflict("A backup of the database is being made already")
        backup = _queue_manual(service, connection, database, now)
        data = event_data(database) | {"backup_id": backup.id}
        events.record(connection, principal, EventType.BACKUP_ASKED, now, database=database, data=data)
    service.wake()
    return backup


def verify(service: Service, principal: Principal, key: str, backup_id: str) -> Backup:
    """Prove the backup again. Raises Conflict while something works on it, or for one that is not done."""
    now = service.clock()
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, Access.CHANGE)
        backup = _find(connection, principal, backup_id, key)
        _check_at_rest(connection, backup)
        if backup.status is not BackupStatus.DONE:
            raise Conflict("The backup is not done: there is nothing to prove")
        start(connection, database, OperationKind.VERIFY_BACKUP, now, {"backup_id": backup.id})
        data = event_data(database) | {"backup_id": backup.id}
        events.record(connection, principal, EventType.BACKUP_PROOF_ASKED, now, database=database, data=data)
    service.wake()
    return backup


def restore(service: Service, principal: Principal, key: str, backup_id: str) -> Operation:
    """Put the backup in the place of the database's data, which stay for a day; the operation.

    Raises Conflict for a backup that is not done or whose proof failed, while another restore is at work, or for data
    of another version than the database's.
    """
    return queue_restore(service, principal, key, backup_id, {})


def queue_restore(
    service: Service, principal: Principal, key: str, backup_id: str, moment: Mapping[str, object]
) -> Operation:
    """As `restore`; `moment` is what the operation is told of one since the backup, if that is wanted."""
    now = service.clock()
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, Access.CHANGE)
        backup = _find(connection, principal, backup_id, key)
        check_restorable(database, backup)
        check_no_other(connection, database)
        params = {"backup_id": backup.id, **moment}
        operation_id = operations.insert(connection, database.id, OperationKind.RESTORE, now, params=params)
        data = event_data(database) | params | {"operation_id": operation_id}
        events.record(connection, principal, EventType.DATABASE_RESTORED, now, database=database, data=data)
        operation = operations.get(connection, operation_id)
    service.wake()
    assert operation is not None  # noqa: S101 - for the type checker
    return operation


def restore_into(service: Service, principal: Principal, key: str, backup_id: str, name: object) -> Database:
    """A new database with the data of a backup, on the plan of the one that it is of, in the caller's default project.

    Whoever may read all data of a database may make a copy. Raises Invalid as a create does, Conflict as `restore`.
    """
    with service.store.read() as connection:
        database = authorize_database(connection, principal, key, Access.CHANGE)
        backup = _find(connection, principal, backup_id, key)
        check_restorable(database, backup)
    request = CreateRequest(name, database.technology, database.plan, None, database.version, database.settings)
    return create_database(service, principal, request, backup=backup)


def list_replaced(service: Service, principal: Principal, key: str) -> Sequence[Instance]:
    """The data that restores have replaced and that can be put back, those that were replaced last first."""
    with service.store.read() as reading:
        return _list_replaced(reading, authorize_database(reading, principal, key), service.clock())


def undo_restore(service: Service, principal: Principal, key: str, to: str | None = None) -> OperationHistory:
    """Put the data back that the last restore has replaced, or those called `to`.

    Raises Conflict when there are none, or as `queue` does.
    """
    now = service.clock()
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, Access.CHANGE)
        replaced = [each for each in _list_replaced(connection, database, now) if to in (None, each.id)]
        if not replaced:
            raise Conflict("There is no restore to undo: the data before it are kept for a day")
        params = {"instance_id": replaced[0].id}
        operation_id = queue(service, connection, database, OperationKind.SWITCH, params)
        data = event_data(database) | {"operation_id": operation_id}
        events.record(connection, principal, EventType.RESTORE_UNDONE, now, database=database, data=data)
        found = find_history(connection, database, operation_id)
    service.wake()
    return found


def get_restoration(service: Service, principal: Principal, key: str, operation_id: str) -> Restoration:
    """How far a restore is; raises NotFound."""
    with service.store.read() as reading:
        database = authorize_database(reading, principal, key)
        operation = operations.get(reading, operation_id)
        if operation is None or operation.database_id != database.id or operation.kind != OperationKind.RESTORE:
            raise NotFound("Restoration not found", resource="restoration")
        return Restoration(operation, find_last(reading, operation))


def delete(service: Service, principal: Principal, key: str, backup_id: str) -> None:
    """It is gone at once, and from the archive within a minute. Raises Conflict while something works on it."""
    now = service.clock()
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, Access.OWN)
        backup = _find(connection, principal, backup_id, key)
        _check_at_rest(connection, backup)
        backups.set_deleted(connection, backup.id, now)
        data = event_data(database) | {"backup_id": backup.id}
        events.record(connection, principal, EventType.BACKUP_DELETED, now, database=database, data=data)


def set_schedule(service: Service, principal: Principal, key: str, enabled: bool | None, hour: int | None) -> None:
    """When the database is backed up without being asked; None leaves it as it is."""
    now = service.clock()
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, Access.CHANGE)
        before = backups.schedule_of(connection, database.id)
        wanted = BackupSchedule(before.enabled if enabled is None else enabled, before.hour if hour is None else hour)
        if wanted == before:
            return
        backups.set_schedule(connection, database.id, wanted)
        data = event_data(database) | {"enabled": wanted.enabled, "hour": wanted.hour}
        events.record(connection, principal, EventType.BACKUP_SCHEDULED, now, database=database, data=data)


def make_link(service: Service, principal: Principal, backup_id: str, key: str | None = None) -> BackupLink:
    """A link to its content. Raises Conflict for a backup that is not done."""
    backup = get(service, principal, backup_id, key)
    if backup.status is not BackupStatus.DONE:
        raise Conflict("The backup is not done: there is nothing to download")
    return BackupLink(backup, authentication.sign_backup_link(service, principal, backup.database_id, backup.id))


def owner_of_link(service: Service, backup_id: str, token: str | None) -> Principal:
    """Who made the link; raises NotFound when it is none or has ended."""
    try:
        return authentication.authenticate_backup_link(service, token or "", backup_id)
    except Unauthorized:
        raise NotFound("The link to this backup is not valid, or no longer: ask for another one") from None


def read_link(
    service: Service, backup_id: str, token: str | None, start: int = 0, end: int | None = None
) -> BackupContent:
    """The content of the backup that the link is for, or a span of it; raises NotFound, also when it has ended."""
    backup = get(service, owner_of_link(service, backup_id, token), backup_id)
    name = f"{name_of(backup)}.{_engine(service, backup.technology, backup.version).BACKUP_SUFFIX}"
    size = backup.size or 0
    end = size if end is None else min(end, size)
    return BackupContent(backup, name, size, start, end, _read(service, backup, start, end))


def find_retention(service: Service, plan: Plan) -> Retention | None:
    """How long the backups of the plan's databases are kept; None where there are none."""
    technology = service.catalogue.get(plan.technology)
    found = engines.find_backups(technology, technology.default_version.version)
    if found is None:
        return None
    kept = retention_of(plan.name)
    return kept if isinstance(found, Journals) else replace(kept, journal_days=0)


def name_of(backup: Backup) -> str:
    """As clients show it."""
    return f"{datetime.fromtimestamp(backup.created_at, UTC):%Y%m%d%H%M%S}_{backup.database_name}"


def _queue_manual(service: Service, connection: Connection, database: Database, now: float) -> Backup:
    _engine(service, database.technology, database.version)
    instance = instances.get_primary(connection, database.id)
    if instance is None or instance.ready_at is None:
        raise Conflict("The database never got ready", extra={"current_operation_id": None})
    return queue_backup(connection, database, instance, BackupMethod.MANUAL, now)


def queue_backup(
    connection: Connection, database: Database, instance: Instance, method: BackupMethod, now: float
) -> Backup:
    """Record the backup and the operation that makes it. `instance` is the database's primary, and was ready once."""
    credential = credentials.get(connection, database.id)
    backup = Backup(
        make_id(),
        database.id,
        database.name,
        database.technology,
        database.version,
        instance.full_version,
        database.plan,
        instance.lineage or "",
        credential.username if credential else "",
        credential.dbname if credential else "",
        method,
        now,
        project_id=database.project_id,
    )
    backups.insert(connection, backup)
    operations.insert(connection, database.id, OperationKind.BACKUP, now, params={"backup_id": backup.id})
    return backup


def _read(service: Service, backup: Backup, start: int, end: int) -> Iterator[bytes]:
    """What is compressed and sealed has to be read from its beginning."""
    key = service.box.derive_key("archive", backup.database_id)
    at = 0
    for piece in reading.read(service.archive, key, backup.data, note=partial(_note_damaged, service)):
        yield piece[max(start - at, 0) : max(end - at, 0)]
        at += len(piece)
        if at >= end:
            return


def _note_damaged(service: Service, name: str) -> None:
    """It will be put back."""
    reading.warn(name)
    with service.store.tx() as connection:
        backups.note_damaged(connection, name, service.clock())


def _engine(service: Service, technology: str, version: str) -> Backups:
    known = service.catalogue.get(technology)
    found = engines.find_backups(known, version)
    if found is None:
        raise Invalid({"database": [f"has no backups yet: {known.name} {version} lacks them"]})
    return found


def _find(reading: Connection, principal: Principal, backup_id: str, key: str | None) -> Backup:
    backup = backups.get(reading, backup_id)
    database = authorize_database(reading, principal, key) if key is not None else None
    if backup is None or backup.deleted_at is not None or (database and backup.database_id != database.id):
        raise NotFound("Backup not found", resource="backup")
    if database is None:
        try:
            authorize_database(reading, principal, backup.database_id)
        except NotFound:
            raise NotFound("Backup not found", resource="backup") from None
    return backup


def _list_replaced(reading: Connection, database: Database, now: float) -> Sequence[Instance]:
    kept = [each for each in instances.list_for(reading, database.id) if each.role is Role.RETIRED]
    young = [each for each in kept if (each.retired_at or 0.0) > now - DAY]
    return sorted(young, key=lambda each: each.retired_at or 0.0, reverse=True)


def check_whole(backup: Backup) -> None:
    """Raises Conflict for one that is not done or is known to be damaged."""
    if backup.status is not BackupStatus.DONE:
        raise Conflict("The backup is not done: there is nothing to restore")
    if backup.verification.state is VerificationState.FAILED:
        raise Conflict(f"The backup is damaged, as its proof found: {backup.verification.message}")


def check_restorable(database: Database, backup: Backup) -> None:
    """Raises Conflict, also for one of another version than the database's."""
    check_whole(backup)
    if (backup.technology, backup.version) != (database.technology, database.version):
        raise Conflict(f"The backup is of {backup.technology} {backup.version}, and the database is not any more")


def check_no_other(connection: Connection, database: Database) -> None:
    """Raises Conflict while something else is about to replace the database's data."""
    kinds = (OperationKind.RESTORE, OperationKind.IMPORT, OperationKind.SWITCH)
    if any(active_operations.is_active(connection, database.id, kind) for kind in kinds):
        raise Conflict("Another restore or import is at work on the database")


def _check_at_rest(connection: Connection, backup: Backup) -> None:
    if backups.is_worked_on(connection, backup.id):
        raise Conflict("The backup is being made or proved, or restored: cancel that first, or wait")
