"""How to connect to a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import quote

from dbyard import engines
from dbyard.engines import ConnectionForms, Engine
from dbyard.errors import Conflict, NotFound, WrongPassword
from dbyard.model import OPERATIONS, Address, Certificate, Credentials, Database, Principal, Restriction
from dbyard.service import Service
from dbyard.service.authorization import authorize_database
from dbyard.service.databases import logins
from dbyard.service.databases.status import get_facts
from dbyard.store import Connection, credentials, endpoints
from dbyard.store.credentials import SealedCredential
from dbyard.store.status import Facts

_TRUSTED = 60.0
"""Seconds after a server's first answer in which its tenant has hardly locked itself out."""


@dataclass(frozen=True, slots=True)
class DatabaseConnection:
    """All that a client needs to connect; `forms` are other spellings of the URL; `ca_certificate` is PEM."""

    url: str = field(repr=False)
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    forms: Mapping[str, str] = field(repr=False)
    ca_certificate: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DatabaseEndpoint:
    """An address at which a database is reached; it never changes."""

    database_id: str
    address: Address


@dataclass(frozen=True, slots=True)
class _Access:
    """What decides whether a database can be used, and how, as of one moment."""

    database: Database
    facts: Facts
    address: Address | None
    credential: SealedCredential


def get(service: Service, principal: Principal, key: str) -> DatabaseConnection:
    """Raises Conflict as long as the URL would not work."""
    access = _get_access(service, principal, key)
    if access.address is None or _is_out_of_use(access.facts):
        _refuse(access.facts)
    if access.facts.restriction == Restriction.CLOSED:
        raise Conflict(
            f"The database is closed: {access.facts.restriction_reason}", extra={"current_operation_id": None}
        )
    _refuse_locked_out(service, access)
    found, engine = _credentials(service, access), _engine(service, access.database)
    return DatabaseConnection(
        url=engine.url(access.address, found),
        host=access.address.host,
        port=access.address.port,
        user=found.user,
        password=found.password,
        database=found.database,
        forms=engine.connection_forms(access.address, found) if isinstance(engine, ConnectionForms) else {},
        ca_certificate=service.authority.pem,
    )


def get_url(service: Service, principal: Principal, key: str) -> str | None:
    """The URL as soon as it is certain, whether it works now or not."""
    access = _get_access(service, principal, key)
    if access.address is None or access.facts.ready_at is None:
        return None
    return _engine(service, access.database).url(access.address, _credentials(service, access))


def find_url(service: Service, reading: Connection, database: Database, user: str, password: str) -> str | None:
    """The URL of one of its users, whose password may have any characters; None until it is certain."""
    credential, (endpoint, *_) = credentials.get(reading, database.id), endpoints.list_for(reading, database.id)
    if endpoint.address is None or credential is None:
        return None
    found = Credentials("", user, quote(password, safe=""), credential.dbname, Certificate("", "", ""))
    return _engine(service, database).url(endpoint.address, found)


def list_endpoints(service: Service, principal: Principal, key: str) -> Sequence[DatabaseEndpoint]:
    """Empty until it is certain where the database is reached."""
    with service.store.snapshot() as reading:
        database = authorize_database(reading, principal, key)
        facts, found = get_facts(service, reading, database), endpoints.list_for(reading, database.id)
    if facts.ready_at is None:
        return []
    return [DatabaseEndpoint(database.id, each.address) for each in found if each.address is not None]


def list_addresses(service: Service, found: Sequence[Database]) -> dict[str, Address]:
    """By database, where each is reached that the principal may use; of databases that it was given."""
    with service.store.snapshot() as reading:
        addresses = {each.id: endpoints.list_for(reading, each.id) for each in found}
    return {key: each[0].address for key, each in addresses.items() if each and each[0].address is not None}


def _get_access(service: Service, principal: Principal, key: str) -> _Access:
    with service.store.snapshot() as reading:
        database = authorize_database(reading, principal, key)
        facts, credential = get_facts(service, reading, database), credentials.get(reading, database.id)
        endpoint, *_ = endpoints.list_for(reading, database.id)
    if credential is None:
        raise NotFound("Database not found", resource="database")
    return _Access(database, facts, endpoint.address, credential)


def _is_out_of_use(facts: Facts) -> bool:
    owned = facts.active_kind is not None and OPERATIONS[facts.active_kind].owns_server
    return facts.ready_at is None or facts.down_at is not None or facts.pending_password or owned


def _refuse(facts: Facts) -> NoReturn:
    if facts.active_kind is not None:
        raise Conflict(
            f"The database {OPERATIONS[facts.active_kind].words}",
            headers={"Retry-After": "1"},
            extra={"current_operation_id": facts.active_id},
        )
    if facts.ready_at is None:
        reason = facts.down_reason or "it never got ready"
        advice = "retry the operation that creates it, or delete it"
        raise Conflict(f"The database does not run: {reason}; {advice}", extra={"current_operation_id": None})
    if facts.down_at is not None:
        raise Conflict(f"The database does not run: {facts.down_reason}", extra={"current_operation_id": None})
    message = "The database waits for its new password"
    raise Conflict(message, headers={"Retry-After": "1"}, extra={"current_operation_id": None})


def _refuse_locked_out(service: Service, access: _Access) -> None:
    """Unless it has become ready just now: a create must not wait for a second log-in."""
    if service.clock() - (access.facts.ready_at or 0.0) < _TRUSTED:
        return
    if error := logins.find_error(service, access.database):
        advice = "reset its password" if isinstance(error, WrongPassword) else "repair it"
        raise Conflict(f"The database's user cannot use it: {error}; {advice}", extra={"current_operation_id": None})


def _engine(service: Service, database: Database) -> Engine:
    return engines.load(service.catalogue.get(database.technology).engine)


def _credentials(service: Service, access: _Access) -> Credentials:
    sealed = access.credential
    password = credentials.open_password(service.box, access.database.id, sealed)
    return Credentials("", sealed.username, password, sealed.dbname, Certificate("", "", service.authority.pem))
