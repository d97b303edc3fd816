"""Projects: created, changed and deleted. Each account has exactly one default project."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from dbyard.errors import Conflict, Forbidden
from dbyard.model import Account, EventType, Principal, Project, patterns
from dbyard.service import Service
from dbyard.service.authorization import authorize_project
from dbyard.service.validation import NAME_TAKEN, FieldErrors
from dbyard.store import Connection, databases, events, projects

MOST_PROJECTS = 20
"""Of an account."""
NAME_RULE = "should have between 1 and 64 of a-z, 0-9, - and _"
NOT_EMPTY = "Cannot delete project with existing apps"


@dataclass(frozen=True, slots=True)
class ProjectRequest:
    """What a client sent to create or change a project, not checked yet; in a change what is None stays as it is."""

    name: object = None
    default: object = None


@dataclass(frozen=True, slots=True)
class OwnedProject:
    project: Project
    owner: Account


def list_all(service: Service, principal: Principal) -> list[OwnedProject]:
    """Those that the principal owns, oldest first; for a token of one project, that one."""
    with service.store.read() as connection:
        found = projects.list_owned(connection, principal.account.id)
    return [OwnedProject(each, principal.account) for each in found if principal.project_id in (None, each.id)]


def get(service: Service, principal: Principal, project_id: str) -> OwnedProject:
    with service.store.read() as connection:
        return OwnedProject(authorize_project(connection, principal, project_id), principal.account)


def create(service: Service, principal: Principal, request: ProjectRequest) -> OwnedProject:
    """Raises Invalid with every wrong field at once, Conflict when the account has as many as it may have."""
    _refuse_bound(principal)
    wrong = FieldErrors()
    name, default = _name(request.name, wrong), wrong.flag("default", request.default) or False
    now = service.clock()
    project = Project(f"pr-{uuid.uuid4()}", principal.account.id, name, default, now, now)
    with service.store.tx() as connection:
        _check_name(connection, project, wrong)
        if len(projects.list_owned(connection, principal.account.id)) >= MOST_PROJECTS:
            raise Conflict(f"An account has at most {MOST_PROJECTS} projects: delete one that is not needed any more")
        if default:
            projects.clear_default(connection, principal.account.id, now)
        projects.insert(connection, project)
        _record(connection, principal, EventType.PROJECT_CREATED, project, now)
    return OwnedProject(project, principal.account)


def update(service: Service, principal: Principal, project_id: str, change: ProjectRequest) -> OwnedProject:
    """Raises NotFound, then Invalid with every wrong field at once."""
    wrong = FieldErrors()
    now = service.clock()
    with service.store.tx() as connection:
        old = authorize_project(connection, principal, project_id)
        _refuse_bound(principal)
        project = replace(_changed(old, change, wrong), updated_at=now)
        _check_name(connection, project, wrong)
        if project.default and not old.default:
            projects.clear_default(connection, principal.account.id, now)
        projects.update(connection, project)
        _record(connection, principal, EventType.PROJECT_CHANGED, project, now, old)
    return OwnedProject(project, principal.account)


def delete(service: Service, principal: Principal, project_id: str) -> None:
    """Its tokens and its collaborators' access end with it."""
    with service.store.tx() as connection:
        project = authorize_project(connection, principal, project_id)
        _refuse_bound(principal)
        if databases.has_project(connection, project.id):
            raise Conflict(NOT_EMPTY)
        if project.default:
            raise Conflict("The default project cannot be deleted: make another one the default first")
        _record(connection, principal, EventType.PROJECT_DELETED, project, service.clock())
        projects.delete(connection, project)


def _refuse_bound(principal: Principal) -> None:
    if principal.project_id is not None:
        raise Forbidden("A token of one project cannot make, change or delete projects")


def _name(value: object, wrong: FieldErrors) -> str:
    return wrong.matching("name", value, patterns.PROJECT_NAME, NAME_RULE) or ""


def _changed(old: Project, change: ProjectRequest, wrong: FieldErrors) -> Project:
    name = old.name if change.name is None else _name(change.name, wrong)
    default = wrong.flag("default", change.default)
    if old.default and default is False:
        wrong.add("default", "cannot be taken away: make another project the default one")
    return replace(old, name=name, default=old.default if default is None else default)


def _check_name(connection: Connection, project: Project, wrong: FieldErrors) -> None:
    """Raises Invalid for all that is wrong, a name that is taken among it."""
    owned = projects.list_owned(connection, project.account_id)
    if any(each.name == project.name and each.id != project.id for each in owned):
        wrong.add("name", NAME_TAKEN)
    wrong.check()


def _record(
    connection: Connection,
    principal: Principal,
    kind: EventType,
    project: Project,
    now: float,
    old: Project | None = None,
) -> None:
    data: dict[str, object] = {"id": project.id, "name": project.name, "default": project.default}
    if old is not None:
        data |= {"old_name": old.name, "old_default": old.default}
    events.record(connection, principal, kind, now, project_id=project.id, owner_id=project.account_id, data=data)
