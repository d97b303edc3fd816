"""Apps: what the clients of Scalingo's API see a database as. The app has the database's id and name, and one addon."""

from __future__ import annotations

import re
from dataclasses import replace

from dbyard.errors import Invalid, NotFound
from dbyard.model import Account, Database, DatabaseStatus, EventType, Principal, Project
from dbyard.service import Service, databases, events
from dbyard.service.conditions import condition, status
from dbyard.service.dates import date, date_or_none
from dbyard.service.drafts import NAME_PATTERN, NAME_RULE, NAME_TAKEN
from dbyard.service.projects import move_database
from dbyard.store import Connection, operations, projects
from dbyard.store import databases as stored
from dbyard.wire import apps as wire

_STATUS = {
    DatabaseStatus.CREATING: "new",
    DatabaseStatus.RUNNING: "running",
    DatabaseStatus.UPDATING: "restarting",
    DatabaseStatus.STOPPED: "stopped",
}
_DEDICATED = {"dedicated-database": True}
"""What tells clients that the app is a database and nothing else."""


def list_all(service: Service, principal: Principal) -> wire.AppsAnswer:
    """Newest last."""
    with service.store.snapshot() as reading:
        found = stored.list_visible(reading, principal)
        homes = {each: projects.get(reading, each) for each in {each.project_id for each in found}}
        return wire.AppsAnswer([_app(service, reading, each, *homes[each.project_id]) for each in found])


def get(service: Service, principal: Principal, key: str) -> wire.AppAnswer:
    with service.store.snapshot() as reading:
        database = own(reading, principal, key)
        return wire.AppAnswer(_app(service, reading, database, *projects.get(reading, database.project_id)))


def find(service: Service, principal: Principal, key: str) -> Database:
    """The database that the app is."""
    with service.store.read() as reading:
        return own(reading, principal, key)


def rename(service: Service, principal: Principal, key: str, current_name: object, new_name: object) -> wire.AppAnswer:
    """Its ids, its URL and its tenant's names stay; the old name is free."""
    with service.store.tx() as connection:
        database, now = own(connection, principal, key, as_owner=True), service.clock()
        name = _check_rename(connection, database, current_name, new_name)
        stored.rename(connection, database.id, name, now)
        told = {"old_name": database.name, "new_name": name}
        events.record(
            connection, principal, EventType.RENAME_APP, now, database=replace(database, name=name), data=told
        )
    return get(service, principal, database.id)


def move(service: Service, principal: Principal, key: str, project_id: object) -> wire.AppAnswer:
    """Into another project of its owner; everything else stays."""
    database = find(service, principal, key)
    if not isinstance(project_id, str):
        raise Invalid({"project_id": ["should be the id of one of your projects"]})
    try:
        move_database(service, principal, database.id, project_id)
    except NotFound:
        raise NotFound("not found", extra={"resource": "project"}) from None
    return get(service, principal, database.id)


def delete(service: Service, principal: Principal, key: str, current_name: str | None) -> None:
    with service.store.read() as reading:
        database = own(reading, principal, key, as_owner=True)
    if current_name != database.name:
        raise Invalid({"current_name": [_name_rule(database)]})
    databases.delete(service, principal, database.id, current_name)


def get_operation(service: Service, principal: Principal, key: str, operation_id: str) -> wire.AppOperationAnswer:
    with service.store.read() as reading:
        database = own(reading, principal, key)
        found = operations.get(reading, operation_id)
    if found is None or found.database_id != database.id:
        raise NotFound("not found", extra={"resource": "operation"})
    return wire.AppOperationAnswer(
        wire.AppOperation(
            id=found.id,
            type=found.kind,
            status=found.status,
            created_at=date(found.created_at),
            finished_at=date_or_none(found.finished_at),
            error=found.error,
        )
    )


def list_log_drains(service: Service, principal: Principal, key: str) -> wire.DrainsAnswer:
    find(service, principal, key)
    return wire.DrainsAnswer([])


def own(connection: Connection, principal: Principal, key: str, *, as_owner: bool = False) -> Database:
    """As for databases, in the words that clients read of an app that is not there."""
    try:
        return databases.own(connection, principal, key, as_owner=as_owner)
    except NotFound:
        raise NotFound("not found", extra={"resource": "app"}) from None


def _app(
    service: Service, reading: Connection, database: Database, project: Project, owner: Account
) -> wire.AppDetails:
    found = condition(reading, database.id)
    return wire.AppDetails(
        id=database.id,
        name=database.name,
        owner=wire.Owner(owner.id, owner.username, owner.email),
        project=wire.AppProject(project.id, project.name),
        region=service.region.name,
        status=_STATUS[status(found, service.clock())],
        flags=_DEDICATED,
        created_at=date(database.created_at),
        updated_at=date(found.updated_at or database.created_at),
    )


def _check_rename(connection: Connection, database: Database, current_name: object, new_name: object) -> str:
    """The new name, once nothing is wrong."""
    wrong: dict[str, list[str]] = {}
    if current_name != database.name:
        wrong["current_name"] = [_name_rule(database)]
    if not (isinstance(new_name, str) and 6 <= len(new_name) <= 48 and re.fullmatch(NAME_PATTERN, new_name)):
        wrong["new_name"] = [NAME_RULE]
    elif new_name != database.name and stored.is_taken(connection, new_name):
        wrong["new_name"] = [NAME_TAKEN]
    if wrong or not isinstance(new_name, str):
        raise Invalid(wrong)
    return new_name


def _name_rule(database: Database) -> str:
    return f"should be the name of the app: {database.name}"
