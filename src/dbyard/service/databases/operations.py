"""Operations of databases: read, queued, waited for, cancelled and tried again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dbyard.errors import Conflict
from dbyard.model import (
    OPERATIONS,
    Access,
    Database,
    EventType,
    Operation,
    OperationEvent,
    OperationKind,
    OperationStatus,
    Principal,
)
from dbyard.service import Service
from dbyard.service.authorization import authorize_database, authorize_operation
from dbyard.store import Connection, credentials, events, instances, operations

_YIELDING = [kind for kind, policy in OPERATIONS.items() if policy.yields]


@dataclass(frozen=True, slots=True)
class OperationHistory:
    """An operation and its steps and failed attempts, oldest first."""

    operation: Operation
    events: Sequence[OperationEvent]
    repeated: bool
    """Whether there is a later one of its kind."""

    @property
    def cancellable(self) -> bool:
        policy = OPERATIONS.get(self.operation.kind)
        return policy is not None and policy.cancellable and self.operation.active

    @property
    def retriable(self) -> bool:
        policy = OPERATIONS.get(self.operation.kind)
        failed = self.operation.status is OperationStatus.ERROR and not self.repeated
        return policy is not None and policy.retriable and failed


def list_all(service: Service, principal: Principal, key: str) -> list[OperationHistory]:
    """Newest first."""
    with service.store.read() as reading:
        database = authorize_database(reading, principal, key)
        return _histories(reading, database)


def get(service: Service, principal: Principal, operation_id: str, key: str | None = None) -> Operation:
    """An operation of a database that the principal may use; of the database `key`, if one is given.

    It has ended when what it was asked for has: a restore with its switch.
    """
    with service.store.read() as reading:
        found = authorize_operation(reading, principal, operation_id, key)
        last = find_last(reading, found)
    return replace(last, id=found.id, kind=found.kind, created_at=found.created_at)


def cancel(service: Service, principal: Principal, key: str, operation_id: str) -> OperationHistory:
    """Ask for its end, which comes at the end of its step. Raises Conflict where that is not possible."""
    now = service.clock()
    with service.store.tx() as connection:
        database, found = _find(connection, principal, key, operation_id)
        if not found.operation.active:
            raise Conflict("The operation has ended")
        if not found.cancellable:
            raise Conflict(f"An operation of the kind {found.operation.kind} cannot be cancelled")
        operations.request_cancel(connection, operation_id, now)
        data = {"operation_id": operation_id, "operation": found.operation.kind}
        events.record(connection, principal, EventType.OPERATION_CANCELLED, now, database=database, data=data)
        _, found = _find(connection, principal, key, operation_id)
    service.wake()
    return found


def retry(service: Service, principal: Principal, key: str, operation_id: str) -> OperationHistory:
    """A new operation that does what a failed one was asked for. Raises Conflict where that is not possible."""
    now = service.clock()
    with service.store.tx() as connection:
        database, found = _find(connection, principal, key, operation_id)
        if found.operation.status is not OperationStatus.ERROR:
            raise Conflict("The operation has not failed", extra={"current_operation_id": None})
        if not found.retriable:
            kind = found.operation.kind
            message = f"An operation of the kind {kind} cannot be tried again"
            if found.repeated:
                message = f"There is a later operation of the kind {kind}"
            raise Conflict(message, extra={"current_operation_id": None})
        if OPERATIONS[found.operation.kind].exclusive:
            _check_idle(connection, database)
        operation = found.operation
        new = start(connection, database, operation.kind, now, operation.params, operation.instance_id)
        data = {"operation_id": new, "operation": operation.kind, "retry_of": operation.id}
        events.record(connection, principal, EventType.OPERATION_RETRIED, now, database=database, data=data)
        _, found = _find(connection, principal, key, new)
    service.wake()
    return found


def repair(service: Service, principal: Principal, key: str) -> OperationHistory:
    """Bring the server to what is wanted of it, as an operation. Raises Conflict as `queue` does."""
    return _ask_for(service, principal, key, OperationKind.CONFIGURE, EventType.DATABASE_REPAIRED)


def upgrade(service: Service, principal: Principal, key: str) -> OperationHistory:
    """Start it by the newest build of its version, as an operation. Raises Conflict as `queue` does."""
    return _ask_for(service, principal, key, OperationKind.UPGRADE, EventType.DATABASE_UPGRADED)


def _ask_for(
    service: Service, principal: Principal, key: str, kind: OperationKind, event: EventType
) -> OperationHistory:
    now = service.clock()
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, Access.CHANGE)
        new = queue(service, connection, database, kind)
        data = {"operation_id": new}
        events.record(connection, principal, event, now, database=database, data=data)
        _, found = _find(connection, principal, key, new)
    service.wake()
    return found


def active_id(reading: Connection, database: Database) -> str | None:
    """The id of the exclusive operation that is at work on the database."""
    active = operations.exclusive_of(reading, database.id)
    return active.id if active else None


def start(
    connection: Connection,
    database: Database,
    kind: str,
    now: float,
    params: Mapping[str, object] | None = None,
    instance_id: str | None = None,
) -> str:
    """Queue an operation on a database that has no active one that excludes it; returns its id."""
    return operations.insert(connection, database.id, kind, now, params=params, instance_id=instance_id)


def start_delete(connection: Connection, database: Database, now: float) -> None:
    """The delete takes the place of everything that is at work on the database."""
    operations.supersede(connection, database.id, now)
    start(connection, database, OperationKind.DELETE, now)


def queue(
    service: Service,
    connection: Connection,
    database: Database,
    kind: OperationKind,
    params: Mapping[str, object] | None = None,
) -> str:
    """Queue a change of a database that runs; returns the operation's id.

    Raises Conflict when another operation is active, or when the database never got ready.
    """
    _check_idle(connection, database)
    instance = instances.get_primary(connection, database.id)
    if instance is None or instance.ready_at is None:
        raise Conflict("The database never got ready", extra={"current_operation_id": None})
    credential = credentials.get(connection, database.id)
    if kind is not OperationKind.CONFIGURE and credential is not None and credential.pending:
        raise Conflict("The database waits for its new password", extra={"current_operation_id": None})
    return start(connection, database, kind, service.clock(), params)


def interrupt(connection: Connection, database: Database, now: float) -> bool:
    """Close what yields and waits for its next attempt; returns False while such an operation is in a step."""
    operations.interrupt(connection, database.id, _YIELDING, now)
    active = operations.exclusive_of(connection, database.id)
    return active is None or active.kind not in _YIELDING


def find(service: Service, operation_id: str) -> Operation | None:
    """The operation, for whom has asked for it himself."""
    with service.store.read() as connection:
        return operations.get(connection, operation_id)


def find_history(connection: Connection, database: Database, operation_id: str) -> OperationHistory:
    """One operation of the database, which has it."""
    return next(each for each in _histories(connection, database) if each.operation.id == operation_id)


def find_last(reading: Connection, operation: Operation) -> Operation:
    """The one that tells how far it is: of a restore the switch that it ends with, once that is asked for."""
    switch_id = operation.result.get("switch")
    return (operations.get(reading, str(switch_id)) if switch_id else None) or operation


def _check_idle(connection: Connection, database: Database) -> None:
    active = active_id(connection, database)
    if active is not None:
        raise Conflict(
            "Another operation is at work on the database",
            headers={"Retry-After": "1"},
            extra={"current_operation_id": active},
        )


def _find(
    connection: Connection, principal: Principal, key: str, operation_id: str
) -> tuple[Database, OperationHistory]:
    database = authorize_database(connection, principal, key, Access.CHANGE)
    authorize_operation(connection, principal, operation_id, key)
    return database, find_history(connection, database, operation_id)


def _histories(connection: Connection, database: Database) -> list[OperationHistory]:
    """Newest first."""
    found, kinds = [], set[str]()
    for operation, lines in operations.list_for(connection, database.id):
        found.append(OperationHistory(operation, lines, operation.kind in kinds))
        kinds.add(operation.kind)
    return found
