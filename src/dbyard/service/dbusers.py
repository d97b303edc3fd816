"""The users of a database: the one that it was made with, which cannot be removed, and its password."""

from __future__ import annotations

from dbyard.errors import NotFound
from dbyard.model import Database, EventType, OperationKind, Principal
from dbyard.secrets import make_password
from dbyard.service import Service, events
from dbyard.service.changes import await_end, queue
from dbyard.service.databases import own
from dbyard.store import databases
from dbyard.wire import dbusers as wire

_PATIENCE = 3.0
"""Seconds that a reset waits until the server has the new password; it does not depend on that."""
_ENCRYPTION = {"postgresql": "SCRAM-SHA-256"}


def list_users(service: Service, principal: Principal, key: str) -> wire.UsersAnswer:
    with service.store.read() as connection:
        database = own(connection, principal, key)
        credential = databases.credential_of(connection, database.id)
    return wire.UsersAnswer([_user(service, database, credential.username)] if credential else [])


def reset_password(service: Service, principal: Principal, key: str, user: str) -> wire.PasswordAnswer:
    """A new password for the user, which the old one gives way to within moments.

    It stands with the connection from here on, whatever becomes of the answer. Raises Conflict as `queue` does.
    """
    password = make_password()
    with service.store.tx() as connection:
        database = own(connection, principal, key)
        credential = databases.credential_of(connection, database.id)
        if credential is None or credential.username != user:
            raise NotFound("User not found")
        operation_id = queue(service, connection, database, OperationKind.ROTATE)
        sealed = service.box.seal(password, table="credential", column="password", row=database.id)
        databases.set_password(connection, database.id, sealed)
        data = events.addon_data(database) | {"user": user}
        events.record(connection, principal, EventType.RESET_PASSWORD, service.clock(), database=database, data=data)
    service.wake()
    in_force = await_end(service, operation_id, _PATIENCE)
    return _password(_user(service, database, user), password, None if in_force else operation_id)


def _user(service: Service, database: Database, name: str) -> wire.User:
    encryption = _ENCRYPTION.get(service.catalogue.get(database.technology).type_name)
    return wire.User(name, False, True, {"password_encryption": encryption} if encryption else {})


def _password(user: wire.User, password: str, operation_id: str | None) -> wire.PasswordAnswer:
    fields = (user.name, user.read_only, user.protected, user.dbms_attributes, password)
    return wire.PasswordAnswer(*fields, wire.UserWithPassword(*fields), operation_id)
