"""Projects: made, changed, removed, and given databases. Each account has exactly one default project."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import replace

from dbyard.errors import Conflict, Forbidden, Invalid
from dbyard.model import Account, EventType, Principal, Project
from dbyard.service import Service, databases, events
from dbyard.service.dates import date
from dbyard.store import Connection, projects
from dbyard.store import databases as stored
from dbyard.wire import projects as wire

MOST_PROJECTS = 20
"""Of an account; Scalingo's number."""
NAME_RULE = "should have between 1 and 64 of a-z, 0-9, - and _"
NAME_TAKEN = "has already been taken"
NOT_EMPTY = "Cannot delete project with existing apps"

Fields = Mapping[str, object]


def list_all(service: Service, principal: Principal) -> wire.ProjectsAnswer:
    """Those that the principal owns, oldest first; for a token of one project, that one."""
    with service.store.read() as connection:
        found = projects.list_owned(connection, principal.account.id)
    visible = [each for each in found if principal.project_id in (None, each.id)]
    return wire.ProjectsAnswer([_wire(each, principal.account) for each in visible])


def get(service: Service, principal: Principal, project_id: str) -> wire.ProjectAnswer:
    with service.store.read() as connection:
        return _answer(databases.own_project(connection, principal, project_id), principal)


def create(service: Service, principal: Principal, fields: Fields) -> wire.ProjectAnswer:
    """Raises Invalid with every wrong field at once, Conflict when the account has as many as it may have."""
    _refuse_bound(principal)
    wrong: dict[str, list[str]] = {}
    name, default = _name(fields.get("name"), wrong), _default(fields.get("default"), wrong)
    now = service.clock()
    project = Project(f"pr-{uuid.uuid4()}", principal.account.id, name, default, now, now)
    with service.store.tx() as connection:
        _check_name(connection, project, wrong)
        if len(projects.list_owned(connection, principal.account.id)) >= MOST_PROJECTS:
            raise Conflict(f"An account has at most {MOST_PROJECTS} projects: delete one that is not needed any more")
        if default:
            projects.clear_default(connection, principal.account.id, now)
        projects.insert(connection, project)
        _record(connection, principal, EventType.NEW_PROJECT, project, now)
    return _answer(project, principal)


def update(service: Service, principal: Principal, project_id: str, fields: Fields) -> wire.ProjectAnswer:
    """What is left out or null stays. Raises NotFound, then Invalid with every wrong field at once."""
    wrong: dict[str, list[str]] = {}
    now = service.clock()
    with service.store.tx() as connection:
        old = databases.own_project(connection, principal, project_id)
        _refuse_bound(principal)
        name = old.name if fields.get("name") is None else _name(fields["name"], wrong)
        default = old.default if fields.get("default") is None else _default(fields["default"], wrong)
        if old.default and fields.get("default") is False:
            wrong["default"] = ["cannot be taken away: make another project the default one"]
        project = replace(old, name=name, default=default, updated_at=now)
        _check_name(connection, project, wrong)
        if project.default and not old.default:
            projects.clear_default(connection, principal.account.id, now)
        projects.update(connection, project)
        _record(connection, principal, EventType.EDIT_PROJECT, project, now)
    return _answer(project, principal)


def delete(service: Service, principal: Principal, project_id: str) -> None:
    """Its tokens and its collaborators' access end with it."""
    with service.store.tx() as connection:
        project = databases.own_project(connection, principal, project_id)
        _refuse_bound(principal)
        if stored.is_used(connection, project.id):
            raise Conflict(NOT_EMPTY)
        if project.default:
            raise Conflict("The default project cannot be deleted: make another one the default first")
        _record(connection, principal, EventType.DELETE_PROJECT, project, service.clock())
        projects.delete(connection, project)


def move_database(service: Service, principal: Principal, key: str, project_id: str) -> None:
    """Into another project of its owner, with everything as it is; who works in that project sees it from then on."""
    now = service.clock()
    with service.store.tx() as connection:
        database = databases.own(connection, principal, key, as_owner=True)
        project = databases.own_project(connection, principal, project_id)
        old, _ = projects.get(connection, database.project_id)
        stored.move(connection, database.id, project.id, now)
        told = {"old_project_id": old.id, "new_project_id": project.id}
        told |= {"old_project_name": old.name, "new_project_name": project.name}
        moved = replace(database, project_id=project.id)
        events.record(connection, principal, EventType.UPDATE_APP_PROJECT, now, database=moved, data=told)


def _refuse_bound(principal: Principal) -> None:
    if principal.project_id is not None:
        raise Forbidden("A token of one project cannot make, change or delete projects")


def _name(value: object, wrong: dict[str, list[str]]) -> str:
    if isinstance(value, str) and re.fullmatch(wire.PROJECT_NAME_PATTERN.strip("^$"), value):
        return value
    wrong["name"] = [f"is missing: {NAME_RULE}" if value is None else NAME_RULE]
    return ""


def _default(value: object, wrong: dict[str, list[str]]) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    wrong["default"] = ["should be true or false"]
    return False


def _check_name(connection: Connection, project: Project, wrong: dict[str, list[str]]) -> None:
    """Raises Invalid for all that is wrong, a name that is taken among it."""
    owned = projects.list_owned(connection, project.account_id)
    if any(each.name == project.name and each.id != project.id for each in owned):
        wrong["name"] = [NAME_TAKEN]
    if wrong:
        raise Invalid(wrong)


def _record(connection: Connection, principal: Principal, kind: EventType, project: Project, now: float) -> None:
    told = {"id": project.id, "name": project.name, "default": project.default}
    events.record(connection, principal, kind, now, project_id=project.id, owner_id=project.account_id, data=told)


def _answer(project: Project, principal: Principal) -> wire.ProjectAnswer:
    return wire.ProjectAnswer(_wire(project, principal.account))


def _wire(project: Project, owner: Account) -> wire.Project:
    return wire.Project(
        id=project.id,
        name=project.name,
        default=project.default,
        created_at=date(project.created_at),
        updated_at=date(project.updated_at),
        owner=wire.ProjectOwner(owner.id, owner.username, owner.email),
    )
