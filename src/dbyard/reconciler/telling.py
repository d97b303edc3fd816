"""What the platform did by itself is told as an event, in the transaction that records it."""

from __future__ import annotations

from dbyard.model import EventType, Operation, OperationKind, Restriction
from dbyard.service import events
from dbyard.store import Connection, databases, operations


def tell_done(connection: Connection, operation: Operation, now: float) -> None:
    """An operation is done; a heal says why it was needed. What a restriction is for was told when it was decided."""
    if operation.kind is OperationKind.RESTRICT:
        return
    cause = operations.cause_of(connection, operation.id)
    data: dict[str, object] = {"cause": {"code": cause.outcome, "message": cause.message}} if cause else {}
    _tell(connection, EventType.OPERATION_DONE, operation, now, data)


def tell_failed(connection: Connection, operation: Operation, now: float, code: str, message: str) -> None:
    _tell(connection, EventType.OPERATION_FAILED, operation, now, {"error": {"code": code, "message": message}})


def tell_restricted(
    connection: Connection, database_id: str, restriction: Restriction, reason: str | None, now: float
) -> None:
    """What a tenant may do from now on, and why."""
    kind = EventType.UNRESTRICTED if restriction is Restriction.NONE else EventType.RESTRICTED
    data = {"restriction": restriction, "reason": reason}
    events.record(connection, None, kind, now, database=databases.get(connection, database_id), data=data)


def _tell(connection: Connection, kind: EventType, operation: Operation, now: float, data: dict[str, object]) -> None:
    told = {"operation_id": operation.id, "operation": operation.kind, **data}
    events.record(connection, None, kind, now, database=databases.get(connection, operation.database_id), data=told)
