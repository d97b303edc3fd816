"""What an owner sees of a database beyond its object: how to connect, what happens to it, what its server says."""

from __future__ import annotations

from typing import NoReturn

from dbyard import engines, wire
from dbyard.errors import Conflict, NotFound
from dbyard.model import (
    Certificate,
    Credentials,
    Endpoint,
    Operation,
    OperationEvent,
    OperationStatus,
    Principal,
    Restriction,
)
from dbyard.service import Service
from dbyard.service.databases import own
from dbyard.service.dates import date, date_or_none
from dbyard.store import databases, instances, operations
from dbyard.store.databases import Access

_ACTIVE = (OperationStatus.PENDING, OperationStatus.RUNNING)


def connection(service: Service, principal: Principal, key: str) -> wire.ConnectionAnswer:
    """How to connect; Conflict as long as the URL would not work."""
    with service.store.read() as reading:
        database = own(reading, principal, key)
        access = databases.access_of(reading, database.id)
    if access is None:
        raise NotFound("Database not found")
    if access.status != OperationStatus.DONE or access.ready_at is None or access.host is None or access.port is None:
        _refuse(access)
    if access.restriction == Restriction.CLOSED:
        raise Conflict(f"The database is closed: {access.restriction_reason}", extra={"current_operation_id": None})
    password = service.box.open(access.password, table="credential", column="password", row=database.id)
    endpoint = Endpoint(access.host, access.port)
    credentials = Credentials("", access.username, password, access.dbname, Certificate("", "", service.authority.pem))
    return wire.ConnectionAnswer(
        wire.Connection(
            url=engines.load(service.catalogue.technologies[database.technology].engine).url(endpoint, credentials),
            host=endpoint.host,
            port=endpoint.port,
            user=access.username,
            password=password,
            database=access.dbname,
            ca_certificate=service.authority.pem,
        )
    )


def list_operations(service: Service, principal: Principal, key: str) -> wire.OperationsAnswer:
    with service.store.read() as reading:
        database = own(reading, principal, key)
        found = operations.list_for(reading, database.id)
    return wire.OperationsAnswer([_operation(operation, events) for operation, events in found])


def logs(service: Service, principal: Principal, key: str, lines: int) -> wire.LogsAnswer:
    with service.store.read() as reading:
        database = own(reading, principal, key)
        instance = instances.get_for(reading, database.id)
    return wire.LogsAnswer(list(service.logs(instance.id, lines)) if instance else [])


def _refuse(access: Access) -> NoReturn:
    if access.status in _ACTIVE:
        verb = "is being repaired" if access.ready_at is not None else "is not ready yet"
        raise Conflict(
            f"The database {verb}",
            headers={"Retry-After": "1"},
            extra={"current_operation_id": access.operation_id},
        )
    raise Conflict(
        f"The database does not run: {access.error or 'it never got ready'}", extra={"current_operation_id": None}
    )


def _operation(operation: Operation, events: list[OperationEvent]) -> wire.Operation:
    error = wire.OperationError(operation.error_code or "", operation.error or "") if operation.error else None
    return wire.Operation(
        id=operation.id,
        kind=operation.kind,
        status=operation.status,
        step=operation.step,
        attempt=operation.attempt,
        error=error,
        steps=[wire.OperationStep(event.step, date(event.at), event.outcome, event.message) for event in events],
        created_at=date(operation.created_at),
        finished_at=date_or_none(operation.finished_at),
        deadline_at=date(operation.deadline_at),
    )
