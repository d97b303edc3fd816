"""Changes to databases that run: each is queued as an operation, one at a time, and may be waited for."""

from __future__ import annotations

import time

from dbyard.errors import Conflict
from dbyard.model import Database, OperationKind, OperationStatus
from dbyard.service import Service
from dbyard.store import Connection, instances, operations

_ACTIVE = (OperationStatus.PENDING, OperationStatus.RUNNING)


def queue(service: Service, connection: Connection, database: Database, kind: OperationKind) -> str:
    """The id of the new operation. Raises Conflict when another is at work, or when the database never got ready."""
    active = operations.active_id(connection, database.id)
    if active is not None:
        raise Conflict(
            "Another operation is at work on the database",
            headers={"Retry-After": "1"},
            extra={"current_operation_id": active},
        )
    instance = instances.get_for(connection, database.id)
    if instance is None or instance.ready_at is None:
        raise Conflict("The database never got ready", extra={"current_operation_id": None})
    return operations.insert(connection, database.id, kind, service.clock())


def await_end(service: Service, operation_id: str, seconds: float) -> bool:
    """Whether the operation is done within so many seconds; False also when it fails."""
    deadline, pause = time.monotonic() + seconds, 0.005
    while True:
        with service.store.read() as connection:
            operation = operations.get(connection, operation_id)
        if operation is None or operation.status not in _ACTIVE:
            return operation is not None and operation.status is OperationStatus.DONE
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
