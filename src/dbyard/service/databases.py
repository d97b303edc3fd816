"""Databases: create, find, delete; and the one place that says whose they are."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

import msgspec

from dbyard import engines, wire
from dbyard.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from dbyard.model import ADDON_PREFIX, Certificate, Database, EventType, Instance, OperationKind, Principal, Project
from dbyard.secrets import make_id, make_password
from dbyard.service import Service, events
from dbyard.service.drafts import NAME_TAKEN, Choice, choose
from dbyard.store import Connection, databases, operations, projects
from dbyard.store.databases import SealedCredential

ANSWER_KEPT = 24 * 3600.0
"""Seconds for which a create request with the same Idempotency-Key gets the same answer."""


@dataclass(frozen=True, slots=True)
class Repeatable:
    """A request that may come again: its Idempotency-Key, and its body to tell it from another one."""

    key: str
    body: bytes


def create(service: Service, principal: Principal, draft: wire.Draft, repeatable: Repeatable | None = None) -> bytes:
    """The encoded `DatabaseAnswer`; the server itself is started by the operation that is queued here.

    Raises Invalid with every wrong field at once, Unavailable when the disk is full, then NotFound for the project.
    """
    with service.store.read() as connection:
        kept = _recall(service, connection, principal, repeatable)
    if kept is not None:
        return kept
    choice = choose(service, draft)
    if not service.has_room():
        raise Unavailable("The platform's disk has no room for another database; nothing was made")
    database_id = make_id()
    certificate = service.authority.issue(database_id)
    with service.store.tx() as connection:
        kept = _recall(service, connection, principal, repeatable)
        if kept is not None:
            return kept
        database = _insert(service, connection, principal, choice, database_id)
        _insert_access(service, connection, database, choice, certificate)
        operations.insert(connection, database.id, OperationKind.CREATE, database.created_at)
        _record(connection, principal, EventType.NEW_ADDON, database, database.created_at)
        body = _encode(database)
        _remember(service, connection, principal, repeatable, database.id, body)
    service.wake()
    return body


def list_all(service: Service, principal: Principal) -> bytes:
    """The encoded `DatabasesAnswer`, newest last."""
    return service.store.cached(
        ("databases", *_sight(principal)), lambda connection: _encode_list(connection, principal)
    )


def get(service: Service, principal: Principal, key: str) -> bytes:
    """The encoded `DatabaseAnswer` of the database with that id, else name."""
    return service.store.cached(
        ("database", *_sight(principal), key), lambda connection: _encode(own(connection, principal, key))
    )


def delete(service: Service, principal: Principal, key: str, confirm: str | None) -> None:
    """When this returns nobody finds the database and its name is free; an operation removes the rest."""
    now = service.clock()
    with service.store.tx() as connection:
        database = own(connection, principal, key, as_owner=True)
        _check_confirmed(database, confirm)
        databases.delete(connection, database.id, now)
        databases.forget_answers(connection, database.id)
        operations.supersede(connection, database.id, now)
        operations.insert(connection, database.id, OperationKind.DELETE, now)
        _record(connection, principal, EventType.DELETE_ADDON, database, now)
    service.wake()


def own(connection: Connection, principal: Principal, key: str, *, as_owner: bool = False) -> Database:
    """The principal's database of that id, else name, else addon id: every use case finds its database here only.

    Its owner's and the collaborators' of its project alike; `as_owner` is for what only the owner may do (delete,
    rename, move, choose collaborators) and refuses them. Whoever may not use it is told that there is none.
    """
    database = databases.find(connection, principal, key)
    if database is None and key.startswith(ADDON_PREFIX):
        database = databases.find(connection, principal, key.removeprefix(ADDON_PREFIX))
    if database is None:
        raise NotFound("Database not found")
    if as_owner and projects.owner_of(connection, database.project_id) != principal.account.id:
        raise Forbidden("Only the owner of the database may do this")
    return database


def own_project(connection: Connection, principal: Principal, project_id: str | None) -> Project:
    """The principal's own project of that id, or its default one: where it may create databases and move them to.

    A token that reaches one project only has no other, and that one as its default.
    """
    bound = principal.project_id
    project = projects.find(connection, principal.account.id, bound if project_id is None else project_id)
    if project is None or bound not in (None, project.id):
        raise NotFound("Project not found")
    return project


def _sight(principal: Principal) -> tuple[str | None, ...]:
    """What decides which databases a principal sees: the key of answers that may be kept."""
    return principal.account.id, principal.project_id, principal.database_id


def _record(connection: Connection, principal: Principal, kind: EventType, database: Database, now: float) -> None:
    events.record(connection, principal, kind, now, database=database, data=events.addon_data(database))


def _check_confirmed(database: Database, confirm: str | None) -> None:
    rule = f"should be the name of the database: ?confirm={database.name}"
    if not confirm:
        raise Invalid({"confirm": [f"is missing: {rule}"]})
    if confirm != database.name:
        raise Conflict(f"confirm {rule}")


def _insert(
    service: Service, connection: Connection, principal: Principal, choice: Choice, database_id: str
) -> Database:
    if databases.is_taken(connection, choice.name):
        raise Invalid({"name": [NAME_TAKEN]})
    project = own_project(connection, principal, choice.project_id)
    database = Database(
        id=database_id,
        name=choice.name,
        project_id=project.id,
        technology=choice.technology.slug,
        version=choice.version.version,
        plan=choice.plan.name,
        created_at=service.clock(),
        deleted_at=None,
    )
    databases.insert(connection, database)
    return database


def _insert_access(
    service: Service, connection: Connection, database: Database, choice: Choice, certificate: Certificate
) -> None:
    """The instance and the tenant's credentials, sealed."""
    databases.insert_instance(
        connection, Instance(make_id(), database.id, 1, choice.installation.full_version, None, None)
    )
    suffix = f"{random.SystemRandom().randrange(10_000):04}"
    user, dbname = engines.load(choice.technology.engine).name_tenant(database.name, suffix)
    seal = service.box.seal
    databases.insert_credential(
        connection,
        database.id,
        SealedCredential(
            username=user,
            dbname=dbname,
            password=seal(make_password(), table="credential", column="password", row=database.id),
            certificate=certificate.certificate,
            private_key=seal(certificate.key, table="credential", column="private_key", row=database.id),
        ),
    )


# ---- answers kept for a repeated request ------------------------------------------------------------------------


def _recall(
    service: Service, connection: Connection, principal: Principal, repeatable: Repeatable | None
) -> bytes | None:
    if repeatable is None:
        return None
    kept = databases.recall(connection, principal.account.id, repeatable.key, service.clock() - ANSWER_KEPT)
    if kept is None:
        return None
    digest, body = kept
    if digest != hashlib.sha256(repeatable.body).digest():
        raise Invalid({"idempotency_key": ["was already used with another body"]})
    return body


def _remember(
    service: Service,
    connection: Connection,
    principal: Principal,
    repeatable: Repeatable | None,
    database_id: str,
    body: bytes,
) -> None:
    if repeatable is None:
        return
    now = service.clock()
    databases.forget_before(connection, now - ANSWER_KEPT)
    digest = hashlib.sha256(repeatable.body).digest()
    databases.remember(connection, principal.account.id, repeatable.key, digest, database_id, body, now)


# ---- on the wire ------------------------------------------------------------------------------------------------


def _encode_list(connection: Connection, principal: Principal) -> bytes:
    found = databases.list_visible(connection, principal)
    return msgspec.json.encode(wire.DatabasesAnswer([_wire(database) for database in found]))


def _encode(database: Database) -> bytes:
    return msgspec.json.encode(wire.DatabaseAnswer(_wire(database)))


def _wire(database: Database) -> wire.Database:
    return wire.Database(
        id=database.id,
        name=database.name,
        project_id=database.project_id,
        technology=database.technology,
        plan=database.plan,
        app=wire.App(database.id, database.name),
    )
