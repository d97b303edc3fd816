"""The users of a database: the one that it was created with, which cannot be removed, and its password."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dbyard import engines
from dbyard.errors import NotFound
from dbyard.model import Database, EventType, OperationKind, Principal
from dbyard.secrets import make_password
from dbyard.service import Service
from dbyard.service.authorization import authorize_database
from dbyard.service.databases.databases import event_data
from dbyard.service.databases.operations import await_end, queue
from dbyard.store import credentials, events

_RESET_SECONDS = 3.0
"""How long a reset waits until the server has the new password; the reset does not depend on that."""


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
        database = authorize_database(connection, principal, key)
        credential = credentials.get(connection, database.id)
        if credential is None or credential.username != user:
            raise NotFound("User not found", resource="user")
        operation_id = queue(service, connection, database, OperationKind.CONFIGURE)
        sealed = credentials.seal_password(service.box, database.id, password)
        credentials.set_password(connection, database.id, sealed)
        data = event_data(database) | {"user": user}
        events.record(connection, principal, EventType.PASSWORD_RESET, service.clock(), database=database, data=data)
    service.wake()
    applied = await_end(service, operation_id, _RESET_SECONDS)
    return PasswordReset(_user(service, database, user), password, None if applied else operation_id)


def _user(service: Service, database: Database, name: str) -> DatabaseUser:
    engine = engines.load(service.catalogue.get(database.technology).engine)
    return DatabaseUser(name, engine.PASSWORD_ENCRYPTION or None)
