"""Changing the plan of a database that runs."""

from __future__ import annotations

from dataclasses import replace

from dbyard.errors import Conflict, Invalid, NotReady, StepError
from dbyard.model import DISK_READ_ONLY, MIB, Access, Database, EventType, OperationKind, Plan, Principal
from dbyard.service import Service
from dbyard.service.authorization import authorize_database
from dbyard.service.catalogue import plan_of
from dbyard.service.databases import stats
from dbyard.service.databases.create_request import validate_plan
from dbyard.service.databases.databases import event_data
from dbyard.service.databases.operations import interrupt, queue
from dbyard.store import databases, events, instances


def change_plan(service: Service, principal: Principal, key: str, plan: object, *, at_last: bool = True) -> bool:
    """Give a database another plan of its technology, by id or name; does nothing when it has that plan.

    Returns False while a heal is in the middle of a step; with `at_last` that is a Conflict.

    Its status is `updating` until its server has the plan. A heal is closed between two attempts: the heal of a server
    that cannot live with its plan never ends. Raises Invalid on `plan` for an unknown one, or one that has no room for
    the data; Conflict as `queue` does.
    """
    with service.store.read() as connection:
        database = authorize_database(connection, principal, key, Access.CHANGE)
    wanted = validate_plan(service, service.catalogue.get(database.technology), plan)
    if wanted.name == database.plan:
        return True
    _check_room(service, database, wanted)
    if not _queue_resize(service, principal, key, wanted, at_last=at_last):
        return False
    service.wake()
    return True


def _queue_resize(service: Service, principal: Principal, key: str, plan: Plan, *, at_last: bool) -> bool:
    now = service.clock()
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, Access.CHANGE)
        if not interrupt(connection, database, now) and not at_last:
            return False
        params = {"plan": plan.name, "previous_plan": database.plan}
        queue(service, connection, database, OperationKind.RESIZE, params)
        databases.set_plan(connection, database.id, plan.name, now)
        data = event_data(replace(database, plan=plan.name)) | {"old_plan": database.plan}
        events.record(connection, principal, EventType.DATABASE_RESIZED, now, database=database, data=data)
    return True


def _check_room(service: Service, database: Database, plan: Plan) -> None:
    """Raises Invalid when the plan is smaller, and the data would fill it at once."""
    technology, present = service.catalogue.get(database.technology), plan_of(service, database)
    with service.store.read() as connection:
        instance = instances.get_primary(connection, database.id)
    if instance is None or instance.ready_at is None:
        return  # it never got ready, which is refused later
    if plan.disk_mb < present.disk_mb:
        _refuse_beyond(plan, "on disk", service.disk(instance.id), plan.disk_mb)
    if technology.in_memory and plan.memory_mb < present.memory_mb:
        try:
            used = stats.ask(service, database)["memory_used"]
        except (NotReady, StepError) as error:
            message = f"The server does not tell how much memory its data take: {error}"
            raise Conflict(message, headers={"Retry-After": "1"}, extra={"current_operation_id": None}) from error
        _refuse_beyond(plan, "in memory", int(used), plan.memory_mb)


def _refuse_beyond(plan: Plan, where: str, used: int, limit_mb: int) -> None:
    if used >= DISK_READ_ONLY * limit_mb * MIB:
        raise Invalid(
            {"plan": [f"is too small: the database takes {used // MIB} MB {where}, and {plan.name} has {limit_mb} MB"]}
        )
