"""Databases: get, list, rename, move and delete. `create` makes them, `status` says what they are doing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dbyard.errors import Conflict, Invalid
from dbyard.model import Access, Database, EventType, Principal
from dbyard.service import Service
from dbyard.service.authorization import authorize_database, authorize_project
from dbyard.service.databases.create_request import NAME_RULE
from dbyard.service.databases.operations import start_delete
from dbyard.service.validation import NAME_TAKEN, FieldErrors, is_database_name
from dbyard.store import Connection, databases, events, idempotency, projects


@dataclass(frozen=True, slots=True)
class RenameRequest:
    """What a client sent to rename a database, not checked yet; `current_name` shows that it means this one."""

    current_name: object = None
    new_name: object = None


def list_all(service: Service, principal: Principal) -> list[Database]:
    """Those that the principal may use, newest last."""
    with service.store.read() as connection:
        return databases.list_visible(connection, principal)


def get(service: Service, principal: Principal, key: str) -> Database:
    """By id, else by name."""
    with service.store.read() as connection:
        return authorize_database(connection, principal, key)


def get_to_change(service: Service, principal: Principal, key: str) -> Database:
    """As `get`; raises Forbidden for a principal that may only use the database."""
    with service.store.read() as connection:
        return authorize_database(connection, principal, key, Access.CHANGE)


def get_as_owner(service: Service, principal: Principal, key: str) -> Database:
    """As `get`; raises Forbidden for a principal that may use the database and does not own it."""
    with service.store.read() as connection:
        return authorize_database(connection, principal, key, Access.OWN)


def exists(service: Service, principal: Principal, key: str) -> bool:
    """Whether the principal may use a database with that id or name."""
    with service.store.read() as connection:
        return databases.find(connection, principal, key) is not None


def rename(service: Service, principal: Principal, key: str, request: RenameRequest) -> Database:
    """Its ids, its URL and its users' names stay; the old name is free. Raises Invalid with every wrong field."""
    with service.store.tx() as connection:
        database, now = authorize_database(connection, principal, key, Access.OWN), service.clock()
        renamed = replace(database, name=_check_rename(connection, database, request))
        databases.rename(connection, database.id, renamed.name, now)
        data = {"old_name": database.name, "new_name": renamed.name}
        events.record(connection, principal, EventType.DATABASE_RENAMED, now, database=renamed, data=data)
    return renamed


def move(service: Service, principal: Principal, key: str, project_id: object) -> Database:
    """Into another project of its owner; everything else stays, also its own collaborators.

    The collaborators of that project may use it, and those of the other one no longer.
    """
    now = service.clock()
    with service.store.tx() as connection:
        if not isinstance(project_id, str):
            authorize_database(connection, principal, key)
            raise Invalid({"project_id": ["should be the id of one of your projects"]})
        database = authorize_database(connection, principal, key, Access.OWN)
        project = authorize_project(connection, principal, project_id)
        old, _ = projects.get(connection, database.project_id)
        databases.move(connection, database.id, project.id, now)
        data = {"old_project_id": old.id, "new_project_id": project.id}
        data |= {"old_project_name": old.name, "new_project_name": project.name}
        moved = replace(database, project_id=project.id)
        events.record(connection, principal, EventType.DATABASE_MOVED, now, database=moved, data=data)
    return moved


def delete(service: Service, principal: Principal, key: str, confirm: str | None) -> None:
    """From here on the database is not found and its name is free; an operation removes the rest."""
    now = service.clock()
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, Access.OWN)
        _check_confirmed(database, confirm)
        databases.delete(connection, database.id, now)
        idempotency.delete_for(connection, database.id)
        start_delete(connection, database, now)
        data = event_data(database)
        events.record(connection, principal, EventType.DATABASE_DELETED, now, database=database, data=data)
    service.wake()


def event_data(database: Database) -> dict[str, object]:
    """What an event tells of a database beside its id and name."""
    return {"technology": database.technology, "plan": database.plan}


def _check_confirmed(database: Database, confirm: str | None) -> None:
    rule = f"should be the name of the database: ?confirm={database.name}"
    if not confirm:
        raise Invalid({"confirm": [f"is missing: {rule}"]})
    if confirm != database.name:
        raise Conflict(f"confirm {rule}")


def _check_rename(connection: Connection, database: Database, request: RenameRequest) -> str:
    """The new name, if nothing is wrong."""
    wrong, name = FieldErrors(), request.new_name
    if request.current_name != database.name:
        wrong.add("current_name", f"should be the name of the database: {database.name}")
    if not is_database_name(name):
        wrong.add("new_name", NAME_RULE)
    elif name != database.name and databases.is_taken(connection, str(name)):
        wrong.add("new_name", NAME_TAKEN)
    wrong.check()
    return str(name)
