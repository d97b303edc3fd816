"""Changes to databases that run: each is queued as an operation, one at a time, and may be waited for."""

from __future__ import annotations

import time
from dataclasses import replace

from dbyard.errors import Conflict, Invalid, NotReady, StepError
from dbyard.model import (
    DISK_READ_ONLY,
    MIB,
    Database,
    EventType,
    OperationKind,
    OperationStatus,
    Plan,
    Principal,
)
from dbyard.service import Service, events, stats
from dbyard.service.databases import own
from dbyard.service.drafts import choose_plan
from dbyard.store import Connection, databases, instances, operations

_ACTIVE = (OperationStatus.PENDING, OperationStatus.RUNNING)
_HEAL_SECONDS = 5.0
"""How long a change of plan waits at most for a heal to pause."""


def change_plan(service: Service, principal: Principal, key: str, plan: object) -> None:
    """Give a database another plan of its technology, by id or name; the one that it has is left as it is.

    Its status is `updating` from here on, until its server has the plan. A heal gives way between two attempts: that of
    a server which cannot live with its plan never ends. Raises Invalid on `plan` for one that is none, or that has no
    room for the data; Conflict as `queue` does.
    """
    with service.store.read() as connection:
        database = own(connection, principal, key)
    wanted = choose_plan(service, service.catalogue.get(database.technology), plan)
    if wanted.name == database.plan:
        return
    _check_room(service, database, wanted)
    deadline = time.monotonic() + _HEAL_SECONDS
    while not _queue_update(service, principal, key, wanted, at_last=time.monotonic() > deadline):
        time.sleep(0.02)
    service.wake()


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
    if kind is not OperationKind.ROTATE and databases.is_rotating(connection, database.id):
        raise Conflict("The database waits for its new password", extra={"current_operation_id": None})
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


def _queue_update(service: Service, principal: Principal, key: str, plan: Plan, *, at_last: bool) -> bool:
    """False while a heal is in somebody's hands; `at_last` that is a Conflict as well."""
    now = service.clock()
    with service.store.tx() as connection:
        database = own(connection, principal, key)
        operations.interrupt(connection, database.id, OperationKind.HEAL, now)
        if not at_last and _is_healed(connection, database.id):
            return False
        queue(service, connection, database, OperationKind.UPDATE)
        databases.set_plan(connection, database.id, plan.name, now)
        data = events.addon_data(replace(database, plan=plan.name)) | {"old_plan_name": database.plan}
        events.record(connection, principal, EventType.UPGRADE_ADDON, now, database=database, data=data)
    return True


def _is_healed(connection: Connection, database_id: str) -> bool:
    active = operations.active_id(connection, database_id)
    operation = operations.get(connection, active) if active else None
    return operation is not None and operation.kind is OperationKind.HEAL


def _check_room(service: Service, database: Database, plan: Plan) -> None:
    """Raises Invalid when the plan is smaller, and the data would fill it at once."""
    technology, present = service.catalogue.get(database.technology), _plan_of(service, database)
    with service.store.read() as connection:
        instance = instances.get_for(connection, database.id)
        sealed = databases.credential_of(connection, database.id)
    if instance is None or instance.placement is None or sealed is None:
        return  # it never got ready, which is refused later
    if plan.disk_mb < present.disk_mb:
        _refuse_beyond(plan, "on disk", service.disk(instance.id), plan.disk_mb)
    if technology.in_memory and plan.memory_mb < present.memory_mb:
        try:
            used = stats.ask(service, database, instance.placement, sealed)["memory_used"]
        except (NotReady, StepError) as error:
            message = f"The server does not tell how much memory its data take: {error}"
            raise Conflict(message, headers={"Retry-After": "1"}, extra={"current_operation_id": None}) from error
        _refuse_beyond(plan, "in memory", int(used), plan.memory_mb)


def _refuse_beyond(plan: Plan, where: str, used: int, limit_mb: int) -> None:
    if used >= DISK_READ_ONLY * limit_mb * MIB:
        raise Invalid(
            {"plan": [f"is too small: the database takes {used // MIB} MB {where}, and {plan.name} has {limit_mb} MB"]}
        )


def _plan_of(service: Service, database: Database) -> Plan:
    plan = service.catalogue.plan(database.technology, database.plan)
    if plan is None:
        raise LookupError(f"the plan {database.plan} is not in the catalogue any more")
    return plan
