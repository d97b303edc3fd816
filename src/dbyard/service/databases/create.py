"""Creating a database: the request and the operation that starts its server are written in one transaction."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass

from dbyard import engines
from dbyard.errors import Invalid, Unavailable
from dbyard.model import Backup, Database, Endpoint, EndpointRole, EventType, Instance, OperationKind, Principal
from dbyard.secrets import make_id, make_password
from dbyard.service import Service
from dbyard.service.authorization import authorize_project
from dbyard.service.databases.create_request import CreateRequest, ValidRequest, validate
from dbyard.service.databases.databases import event_data
from dbyard.service.databases.operations import start
from dbyard.service.validation import NAME_TAKEN
from dbyard.store import (
    Connection,
    credentials,
    database_users,
    databases,
    endpoints,
    events,
    idempotency,
    instances,
)
from dbyard.store.credentials import SealedCredential
from dbyard.store.database_users import SealedUser

IDEMPOTENCY_SECONDS = 24 * 3600.0
"""For so long a create request with the same Idempotency-Key gets the same answer."""


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """Names a request that may be sent again; its body tells it from another request with the same key."""

    key: str
    body: bytes


def create(
    service: Service,
    principal: Principal,
    request: CreateRequest,
    idempotency_key: IdempotencyKey | None = None,
    backup: Backup | None = None,
    moment: Mapping[str, object] | None = None,
) -> Database:
    """The database as it was created; the operation that is queued here starts its server, with the data of a backup.

    `moment` is what the operation is told of one since the backup, if that is wanted.
    Raises Invalid with every wrong field at once, Unavailable when the disk is full, then NotFound for the project.
    """
    with service.store.read() as connection:
        repeated = _get_repeated(service, connection, principal, idempotency_key)
    if repeated is not None:
        return repeated
    valid = validate(service, request)
    if not service.has_room():
        raise Unavailable("The platform's disk has no room for another database; nothing was made")
    database_id = make_id()
    with service.store.tx() as connection:
        repeated = _get_repeated(service, connection, principal, idempotency_key)
        if repeated is not None:
            return repeated
        database = _insert(service, connection, principal, valid, database_id)
        _insert_server(service, connection, database, valid, backup)
        params = {"backup_id": backup.id, **(moment or {})} if backup else {}
        start(connection, database, OperationKind.CREATE, database.created_at, params)
        data = event_data(database) | params
        events.record(
            connection, principal, EventType.DATABASE_CREATED, database.created_at, database=database, data=data
        )
        _put_repeated(service, connection, principal, idempotency_key, database)
    service.wake()
    return database


def _insert(
    service: Service, connection: Connection, principal: Principal, valid: ValidRequest, database_id: str
) -> Database:
    if databases.is_taken(connection, valid.name):
        raise Invalid({"name": [NAME_TAKEN]})
    project = authorize_project(connection, principal, valid.project_id)
    database = Database(
        id=database_id,
        name=valid.name,
        project_id=project.id,
        technology=valid.technology.slug,
        version=valid.version.version,
        plan=valid.plan.name,
        created_at=service.clock(),
        deleted_at=None,
        settings=valid.settings,
    )
    databases.insert(connection, database)
    return database


def _insert_server(
    service: Service, connection: Connection, database: Database, valid: ValidRequest, backup: Backup | None
) -> None:
    """The instance, the endpoint that leads to it, and the tenant's credentials, sealed.

    In the data of a backup the tenant has the name that it had there, and gets a password of its own.
    """
    lineage = backup.lineage if backup else None
    instance = Instance(make_id(), database.id, 1, valid.release.full_version, lineage=lineage)
    instances.insert(connection, instance)
    endpoints.insert(connection, Endpoint(make_id(), database.id, EndpointRole.PRIMARY, None, instance.id))
    password = credentials.seal_password(service.box, database.id, make_password())
    user, dbname = (backup.username, backup.dbname) if backup else _name_tenant(database, valid)
    credentials.insert(connection, database.id, SealedCredential(user, dbname, password))
    if backup:
        credentials.set_pending(connection, database.id)
        _insert_users(service, connection, database, backup)


def _insert_users(service: Service, connection: Connection, database: Database, backup: Backup) -> None:
    """The users of a database that is copied, with passwords of their own; of those that it had before none is left."""
    there = dict(backup.users)
    there |= {each.name: each.read_only for each in database_users.list_for(connection, backup.database_id)}
    gone = {each.name: each.read_only for each in database_users.list_removed(connection, backup.database_id)}
    for name, read_only in (there | gone).items():
        password = database_users.seal_password(service.box, database.id, name, make_password())
        removed_at = database.created_at if name in gone else None
        user = SealedUser(database.id, name, read_only, password, database.created_at, removed_at=removed_at)
        database_users.put(connection, user)


def _name_tenant(database: Database, valid: ValidRequest) -> tuple[str, str]:
    suffix = f"{random.SystemRandom().randrange(10_000):04}"
    return engines.load(valid.technology.engine).name_tenant(database.name, suffix)


def _get_repeated(
    service: Service, connection: Connection, principal: Principal, key: IdempotencyKey | None
) -> Database | None:
    """The database that an earlier request with the key created, as it was then."""
    if key is None:
        return None
    since = service.clock() - IDEMPOTENCY_SECONDS
    found = idempotency.get(connection, principal.account.id, key.key, since)
    if found is None:
        return None
    digest, database = found
    if digest != hashlib.sha256(key.body).digest():
        raise Invalid({"idempotency_key": ["was already used with another body"]})
    return database


def _put_repeated(
    service: Service, connection: Connection, principal: Principal, key: IdempotencyKey | None, database: Database
) -> None:
    if key is None:
        return
    now = service.clock()
    idempotency.delete_before(connection, now - IDEMPOTENCY_SECONDS)
    digest = hashlib.sha256(key.body).digest()
    idempotency.put(connection, principal.account.id, key.key, digest, database, now)
