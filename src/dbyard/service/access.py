"""What an owner sees of a database beyond its object: how to connect, what happens to it, what its server says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from dbyard import engines, wire
from dbyard.engines import Engine
from dbyard.errors import Conflict, NotFound
from dbyard.model import (
    Address,
    Certificate,
    Credentials,
    Database,
    Operation,
    OperationEvent,
    OperationKind,
    OperationStatus,
    Principal,
    Restriction,
)
from dbyard.service import Service
from dbyard.service.databases import own
from dbyard.service.dates import date, date_or_none
from dbyard.store import databases, instances, operations
from dbyard.store.databases import Access
from dbyard.wire.apps import DatabaseEndpoint, EndpointsAnswer, NetPeeringsAnswer

_ACTIVE = (OperationStatus.PENDING, OperationStatus.RUNNING)
_WAITS = "The database waits for its new password"
_AT_WORK: Mapping[str, str] = {
    OperationKind.ROTATE: "gets a new password",
    OperationKind.UPDATE: "gets another plan",
}


def connection(service: Service, principal: Principal, key: str) -> wire.ConnectionAnswer:
    """How to connect; Conflict as long as the URL would not work."""
    with service.store.read() as reading:
        database = own(reading, principal, key)
        access = databases.access_of(reading, database.id)
    if access is None:
        raise NotFound("Database not found")
    if access.status != OperationStatus.DONE or access.ready_at is None or access.host is None or access.port is None:
        _refuse(access)
    if access.rotating:
        raise Conflict(_WAITS, headers={"Retry-After": "1"}, extra={"current_operation_id": None})
    if access.restriction == Restriction.CLOSED:
        raise Conflict(f"The database is closed: {access.restriction_reason}", extra={"current_operation_id": None})
    endpoint = Address(access.host, access.port)
    credentials = _credentials(service, database, access)
    return wire.ConnectionAnswer(
        wire.Connection(
            url=_engine(service, database).url(endpoint, credentials),
            host=endpoint.host,
            port=endpoint.port,
            user=credentials.user,
            password=credentials.password,
            database=credentials.database,
            ca_certificate=service.authority.pem,
        )
    )


def url(service: Service, database: Database) -> str | None:
    """The URL of a database as soon as it is certain, whether it works now or not."""
    with service.store.read() as reading:
        access = databases.access_of(reading, database.id)
    if access is None or access.ready_at is None or access.host is None or access.port is None:
        return None
    return _engine(service, database).url(Address(access.host, access.port), _credentials(service, database, access))


def list_endpoints(service: Service, principal: Principal, key: str) -> EndpointsAnswer:
    """None before it is certain where the database is reached."""
    with service.store.read() as reading:
        database = own(reading, principal, key)
        instance = instances.get_for(reading, database.id)
    if instance is None or instance.placement is None or instance.ready_at is None:
        return EndpointsAnswer([])
    place = instance.placement
    return EndpointsAnswer([DatabaseEndpoint(f"ep-{database.id}", database.id, place.host, place.port, "public-rw")])


def list_net_peerings(service: Service, principal: Principal, key: str) -> NetPeeringsAnswer:
    with service.store.read() as reading:
        own(reading, principal, key)
    return NetPeeringsAnswer([])


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


def _engine(service: Service, database: Database) -> Engine:
    return engines.load(service.catalogue.get(database.technology).engine)


def _credentials(service: Service, database: Database, access: Access) -> Credentials:
    password = service.box.open(access.password, table="credential", column="password", row=database.id)
    return Credentials("", access.username, password, access.dbname, Certificate("", "", service.authority.pem))


def _refuse(access: Access) -> NoReturn:
    if access.status in _ACTIVE:
        words = _AT_WORK.get(access.kind, "is being repaired") if access.ready_at is not None else "is not ready yet"
        raise Conflict(
            f"The database {words}",
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
