"""What the platform did by itself becomes an event, in the transaction that records it."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard.model import OPERATIONS, Database, EventType, Operation, Restriction
from dbyard.store import Connection, accounts, databases, events, operations


def record_done(connection: Connection, operation: Operation, now: float) -> None:
    """An operation is done; its result says why it was needed, where its kind finds that out."""
    if not OPERATIONS[operation.kind].announced:
        return
    finished = operations.get(connection, operation.id)
    _record(connection, EventType.OPERATION_DONE, operation, now, finished.result if finished else {})


def record_failed(connection: Connection, operation: Operation, now: float, code: str, message: str) -> None:
    _record(connection, EventType.OPERATION_FAILED, operation, now, {"error": {"code": code, "message": message}})


def record_restricted(
    connection: Connection, database_id: str, restriction: Restriction, reason: str | None, now: float
) -> None:
    """What a tenant may do from now on, and why."""
    kind = EventType.DATABASE_UNRESTRICTED if restriction is Restriction.NONE else EventType.DATABASE_RESTRICTED
    data = {"restriction": restriction, "reason": reason}
    events.record(connection, None, kind, now, database=databases.get(connection, database_id), data=data)


def record_locked_out(connection: Connection, database_id: str, reason: str, now: float) -> None:
    """The tenant cannot log in to a server that runs."""
    found = databases.get(connection, database_id)
    events.record(connection, None, EventType.DATABASE_LOCKED_OUT, now, database=found, data={"reason": reason})


def record_backup_overdue(connection: Connection, database: Database, reason: str, now: float) -> None:
    events.record(connection, None, EventType.BACKUP_OVERDUE, now, database=database, data={"reason": reason})


def record_for_admin(connection: Connection, kind: EventType, reason: str, now: float) -> None:
    """What concerns the platform itself, and so its administrator."""
    admin = accounts.find_account(connection, "admin")
    owner_id = admin.id if admin else None
    events.record(connection, None, kind, now, owner_id=owner_id, data={"reason": reason})


def record_damaged(connection: Connection, database_id: str, reason: str, now: float) -> None:
    """A server that runs cannot read all of its data."""
    found = databases.get(connection, database_id)
    events.record(connection, None, EventType.DATABASE_DAMAGED, now, database=found, data={"reason": reason})


def _record(
    connection: Connection, kind: EventType, operation: Operation, now: float, data: Mapping[str, object]
) -> None:
    data = {"operation_id": operation.id, "operation": operation.kind, **data}
    events.record(connection, None, kind, now, database=databases.get(connection, operation.database_id), data=data)
