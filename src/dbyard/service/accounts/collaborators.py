"""Collaborators: accounts that may use one database of another account, or all databases of one of its projects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dbyard.errors import Conflict, Invalid, NotFound
from dbyard.model import Access, Account, Database, EventType, Principal, Project
from dbyard.service import Service
from dbyard.service.authorization import authorize_database, authorize_project
from dbyard.service.validation import FieldErrors
from dbyard.store import Connection, accounts, collaborators, events
from dbyard.store.collaborators import Shared, of_database, of_project


@dataclass(frozen=True, slots=True)
class InvitationRequest:
    """What a client sent to invite somebody, not checked yet."""

    email: object = None
    limited: object = None


@dataclass(frozen=True, slots=True)
class Collaborator:
    """`project_id` is None for access to one database only. A limited one may see and use, and change nothing."""

    account: Account
    limited: bool
    project_id: str | None


@dataclass(frozen=True, slots=True)
class _Place:
    """What is shared, and what its events are about."""

    shared: Shared
    project_id: str | None
    database: Database | None = None


def list_for_database(service: Service, principal: Principal, key: str) -> Sequence[Collaborator]:
    """Those of the database, then those of its project, each oldest first; its owner is not among them."""
    with service.store.read() as connection:
        database = authorize_database(connection, principal, key)
        return [
            *_list(connection, _Place(of_database(database.id), None)),
            *_list(connection, _Place(of_project(database.project_id), database.project_id)),
        ]


def invite_to_database(service: Service, principal: Principal, key: str, request: InvitationRequest) -> Collaborator:
    """The account with that e-mail address may use the database at once, and no other of its project."""
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, Access.OWN)
        place = _place_of(database)
        invited = _invite(service, connection, principal, place, request)
        _record(connection, principal, EventType.COLLABORATOR_ADDED, place, invited, service.clock())
    return invited


def change_for_database(
    service: Service, principal: Principal, key: str, account_id: str, limited: object
) -> Collaborator:
    """Raises Conflict for a collaborator of the project, who is changed there."""
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, Access.OWN)
        _refuse_of_project(connection, database, account_id)
        place = _place_of(database)
        changed = _change(connection, place, account_id, limited)
        _record(connection, principal, EventType.COLLABORATOR_CHANGED, place, changed, service.clock())
    return changed


def remove_from_database(service: Service, principal: Principal, key: str, account_id: str) -> None:
    """The owner removes any collaborator, a collaborator only itself. Raises Conflict for one of the project."""
    with service.store.tx() as connection:
        leaves = account_id == principal.account.id
        database = authorize_database(connection, principal, key, Access.USE if leaves else Access.OWN)
        _refuse_of_project(connection, database, account_id)
        place = _place_of(database)
        removed = _remove(connection, place, account_id)
        _record(connection, principal, EventType.COLLABORATOR_REMOVED, place, removed, service.clock())


def list_for_project(service: Service, principal: Principal, project_id: str) -> Sequence[Collaborator]:
    """Oldest first; those of single databases are not among them."""
    with service.store.read() as connection:
        return _list(connection, _place_in(authorize_project(connection, principal, project_id)))


def invite_to_project(
    service: Service, principal: Principal, project_id: str, request: InvitationRequest
) -> Collaborator:
    """The account with that e-mail address may use all databases of the project, also those to come."""
    with service.store.tx() as connection:
        place = _place_in(authorize_project(connection, principal, project_id))
        invited = _invite(service, connection, principal, place, request)
        _record(connection, principal, EventType.COLLABORATOR_ADDED, place, invited, service.clock())
    return invited


def change_for_project(
    service: Service, principal: Principal, project_id: str, account_id: str, limited: object
) -> Collaborator:
    with service.store.tx() as connection:
        place = _place_in(authorize_project(connection, principal, project_id))
        changed = _change(connection, place, account_id, limited)
        _record(connection, principal, EventType.COLLABORATOR_CHANGED, place, changed, service.clock())
    return changed


def remove_from_project(service: Service, principal: Principal, project_id: str, account_id: str) -> None:
    """The owner removes any collaborator, a collaborator only itself."""
    with service.store.tx() as connection:
        place = _Place(of_project(project_id), project_id)
        leaves = account_id == principal.account.id and principal.project_id in (None, project_id)
        if not (leaves and collaborators.has(connection, place.shared, account_id)):
            authorize_project(connection, principal, project_id)
        removed = _remove(connection, place, account_id)
        _record(connection, principal, EventType.COLLABORATOR_REMOVED, place, removed, service.clock())


def _place_of(database: Database) -> _Place:
    return _Place(of_database(database.id), None, database)


def _place_in(project: Project) -> _Place:
    return _Place(of_project(project.id), project.id)


def _list(connection: Connection, place: _Place) -> list[Collaborator]:
    found = collaborators.list_all(connection, place.shared)
    return [Collaborator(account, limited, place.project_id) for account, limited in found]


def _refuse_of_project(connection: Connection, database: Database, account_id: str) -> None:
    """For whom the database itself was not shared with: that is no collaborator of it, or one of its project."""
    if collaborators.has(connection, of_database(database.id), account_id):
        return
    if collaborators.has(connection, of_project(database.project_id), account_id):
        raise Conflict(
            "This collaborator may use all databases of the project, and is changed and removed there:"
            f" /v1/projects/{database.project_id}/collaborators/{account_id}"
        )


def _invite(
    service: Service, connection: Connection, principal: Principal, place: _Place, request: InvitationRequest
) -> Collaborator:
    wrong = FieldErrors()
    limited = wrong.flag("is_limited", request.limited) or False
    account = _invited(connection, principal, request.email, wrong)
    wrong.check()
    if _has_project(connection, place, account) or not collaborators.add(
        connection, place.shared, account.id, limited, service.clock()
    ):
        raise Invalid({"email": ["is a collaborator already"]})
    return Collaborator(account, limited, place.project_id)


def _has_project(connection: Connection, place: _Place, account: Account) -> bool:
    """Whether the account may use the database already, because it may use all of the project."""
    database = place.database
    return database is not None and collaborators.has(connection, of_project(database.project_id), account.id)


def _invited(connection: Connection, principal: Principal, email: object, wrong: FieldErrors) -> Account:
    account = accounts.find_by_email(connection, email) if isinstance(email, str) else None
    if account is None:
        wrong.add("email", "is missing" if email is None else "is not that of an account of this platform")
    elif account.id == principal.account.id:
        wrong.add("email", "is that of the owner")
    return account or principal.account


def _change(connection: Connection, place: _Place, account_id: str, limited: object) -> Collaborator:
    account = _find(connection, place, account_id)
    wrong = FieldErrors()
    flag = wrong.flag("is_limited", limited)
    if limited is None:
        wrong.add("is_limited", "is missing: should be true or false")
    wrong.check()
    collaborators.set_limited(connection, place.shared, account.id, bool(flag))
    return Collaborator(account, bool(flag), place.project_id)


def _remove(connection: Connection, place: _Place, account_id: str) -> Collaborator:
    account = _find(connection, place, account_id)
    collaborators.remove(connection, place.shared, account.id)
    return Collaborator(account, False, place.project_id)


def _find(connection: Connection, place: _Place, account_id: str) -> Account:
    account = accounts.get(connection, account_id)
    if account is None or not collaborators.has(connection, place.shared, account.id):
        raise NotFound("Collaborator not found", resource="collaborator")
    return account


def _record(
    connection: Connection,
    principal: Principal,
    kind: EventType,
    place: _Place,
    collaborator: Collaborator,
    now: float,
) -> None:
    account = collaborator.account
    told: dict[str, object] = {"id": account.id, "username": account.username, "email": account.email}
    if kind is not EventType.COLLABORATOR_REMOVED:
        told["is_limited"] = collaborator.limited
    data = {"collaborator": told}
    events.record(connection, principal, kind, now, database=place.database, project_id=place.project_id, data=data)
