"""Collaborators: accounts that may use the databases of another account's project, named by one of its databases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dbyard.errors import Invalid, NotFound
from dbyard.model import Account, Database, EventType, Principal
from dbyard.service import Service
from dbyard.service.authorization import authorize_database
from dbyard.store import Connection, accounts, events, projects


@dataclass(frozen=True, slots=True)
class Collaborator:
    """An account that may use the database, and the others of its project."""

    database: Database
    account: Account


def list_all(service: Service, principal: Principal, key: str) -> Sequence[Collaborator]:
    """Of the database's project, its owner not among them; oldest first."""
    with service.store.read() as connection:
        database = authorize_database(connection, principal, key)
        found = projects.list_collaborators(connection, database.project_id)
    return [Collaborator(database, account) for account in found]


def invite(service: Service, principal: Principal, key: str, email: object) -> Collaborator:
    """The account with that e-mail address may use all databases of the project at once."""
    now = service.clock()
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, as_owner=True)
        account = _invited(connection, principal, email)
        if not projects.add_collaborator(connection, database.project_id, account.id, now):
            raise Invalid({"email": ["is a collaborator already"]})
        _record(connection, principal, EventType.COLLABORATOR_ADDED, database, account, now)
    return Collaborator(database, account)


def remove(service: Service, principal: Principal, key: str, account_id: str) -> None:
    """The owner removes any collaborator, a collaborator only itself."""
    with service.store.tx() as connection:
        leaves = account_id == principal.account.id
        database = authorize_database(connection, principal, key, as_owner=not leaves)
        account = accounts.get(connection, account_id)
        if account is None or not projects.remove_collaborator(connection, database.project_id, account.id):
            raise NotFound("Collaborator not found", resource="collaborator")
        _record(connection, principal, EventType.COLLABORATOR_REMOVED, database, account, service.clock())


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
    data = {"collaborator": {"id": account.id, "username": account.username, "email": account.email}}
    events.record(connection, principal, kind, now, database=database, data=data)
