"""The users of a database: the one that it was created with, which cannot be removed, and its password."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dbyard import engines
from dbyard.errors import NotFound
from dbyard.model import Access, Database, EventType, OperationKind, OperationStatus, Principal
from dbyard.secrets import make_password
from dbyard.service import Service
from dbyard.service.authorization import authorize_database
from dbyard.service.databases.databases import event_data
from dbyard.service.databases.operations import find, queue
from dbyard.store import credentials, events


@dataclass(frozen=True, slots=True)
class DatabaseUser:
    """A login inside a database's server; `encryption` is how its password is kept there, where that is told."""

    name: str
    encryption: str | None


@dataclass(frozen=True, slots=True)
class PasswordReset:
    """`operation_id` is None when the server has the new password already."""

    user: DatabaseUser
    password: str = field(repr=False)
    operation_id: str | None


def list_all(service: Service, principal: Principal, key: str) -> Sequence[DatabaseUser]:
    with service.store.read() as connection:
        database = authorize_database(connection, principal, key)
        credential = credentials.get(connection, database.id)
    return [_user(service, database, credential.username)] if credential else []


def reset_password(service: Service, principal: Principal, key: str, user: str) -> PasswordReset:
    """Give the user a new password; the server gets it within moments, and the old one ends.

    The connection has the new password from here on, whatever happens to the answer. Raises Conflict as `queue` does.
    """
    password = make_password()
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, Access.CHANGE)
        credential = credentials.get(connection, database.id)
        if credential is None or credential.username != user:
            raise NotFound("User not found", resource="user")
        operation_id = queue(service, connection, database, OperationKind.CONFIGURE)
        sealed = credentials.seal_password(service.box, database.id, password)
        credentials.set_password(connection, database.id, sealed)
        data = event_data(database) | {"user": user}
        events.record(connection, principal, EventType.PASSWORD_RESET, service.clock(), database=database, data=data)
    service.wake()
    return PasswordReset(_user(service, database, user), password, operation_id)


def look_after(service: Service, reset: PasswordReset) -> PasswordReset | None:
    """The reset as it is when its operation has ended; None until then."""
    operation = find(service, reset.operation_id) if reset.operation_id else None
    if operation is not None and operation.active:
        return None
    done = operation is not None and operation.status is OperationStatus.DONE
    return replace(reset, operation_id=None) if done else reset


def _user(service: Service, database: Database, name: str) -> DatabaseUser:
    engine = engines.load(service.catalogue.get(database.technology).engine)
    return DatabaseUser(name, engine.PASSWORD_ENCRYPTION or None)
