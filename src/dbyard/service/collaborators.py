"""Collaborators: who may use the databases of another account's project. Asked for by app, given for its project."""

from __future__ import annotations

from dbyard.errors import Invalid, NotFound
from dbyard.model import Account, Database, EventType, Principal
from dbyard.service import Service, apps, events
from dbyard.store import Connection, accounts, projects
from dbyard.wire import projects as wire


def list_all(service: Service, principal: Principal, key: str) -> wire.CollaboratorsAnswer:
    """Of the project of the app, its owner not among them; oldest first."""
    with service.store.read() as connection:
        database = apps.own(connection, principal, key)
        found = projects.list_collaborators(connection, database.project_id)
    return wire.CollaboratorsAnswer([_wire(database, account) for account in found])


def invite(service: Service, principal: Principal, key: str, email: object) -> wire.CollaboratorAnswer:
    """The account with that e-mail address may use all databases of the app's project at once."""
    now = service.clock()
    with service.store.tx() as connection:
        database = apps.own(connection, principal, key, as_owner=True)
        account = _invited(connection, principal, email)
        if not projects.add_collaborator(connection, database.project_id, account.id, now):
            raise Invalid({"email": ["is a collaborator already"]})
        _record(connection, principal, EventType.NEW_COLLABORATOR, database, account, now)
    return wire.CollaboratorAnswer(_wire(database, account))


def remove(service: Service, principal: Principal, key: str, account_id: str) -> None:
    """The owner removes anybody, a collaborator only themselves."""
    with service.store.tx() as connection:
        leaves = account_id == principal.account.id
        database = apps.own(connection, principal, key, as_owner=not leaves)
        account = accounts.get(connection, account_id)
        if account is None or not projects.remove_collaborator(connection, database.project_id, account.id):
            raise NotFound("not found", extra={"resource": "collaborator"})
        _record(connection, principal, EventType.DELETE_COLLABORATOR, database, account, service.clock())


def _invited(connection: Connection, principal: Principal, email: object) -> Account:
    account = accounts.find_by_email(connection, email) if isinstance(email, str) else None
    if account is None:
        raise Invalid({"email": ["is missing" if email is None else "is not that of an account of this platform"]})
    if account.id == principal.account.id:
        raise Invalid({"email": ["is that of the owner"]})
    return account


def _record(
    connection: Connection, principal: Principal, kind: EventType, database: Database, account: Account, now: float
) -> None:
    told = {"collaborator": {"id": account.id, "username": account.username, "email": account.email}}
    events.record(connection, principal, kind, now, database=database, data=told)


def _wire(database: Database, account: Account) -> wire.Collaborator:
    return wire.Collaborator(account.id, account.id, database.id, account.username, account.email)
