"""The users of a database: the one that it was made with, which stays as long as it does, and others.

Each change is an operation that brings the server to it; a user counts as done when it was tried by a log-in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from dbyard import engines
from dbyard.errors import Conflict, Invalid, NotFound
from dbyard.model import Access, Database, EventType, OperationKind, OperationStatus, Principal
from dbyard.secrets import make_password
from dbyard.service import Service
from dbyard.service.authorization import authorize_database
from dbyard.service.databases.connection import find_url
from dbyard.service.databases.databases import event_data
from dbyard.service.databases.operations import find, queue
from dbyard.service.validation import NAME_TAKEN, FieldErrors
from dbyard.store import Connection, credentials, database_users, events
from dbyard.store.database_users import SealedUser

MOST_USERS = 100
_USERS_ONLY = {"users_only": True}
"""What the operation is told: nothing changes for the protected user."""
_NAME = r"[A-Za-z][A-Za-z0-9_-]{5,31}"
_NAME_RULE = (
    "should have between 6 and 32 letters (a-z, A-Z), digits, hyphens and underscores, and begin with a letter;"
    " names that begin with dbyard or pg_ are the server's own"
)
_RESERVED = ("dbyard", "pg_")
_PASSWORD = r"[!#-&(-~]{24,64}"  # noqa: S105 (a pattern)
_PASSWORD_RULE = "should have between 24 and 64 characters of ASCII, without spaces and quotes"  # noqa: S105


@dataclass(frozen=True, slots=True)
class DatabaseUser:
    """A login inside a database's server; `encryption` is how its password is kept there, where that is told.

    `protected` is the one that the database was made with.
    """

    name: str
    read_only: bool
    protected: bool
    encryption: str | None
    error: str | None = None
    """Why the server did not let it in when that was tried."""


@dataclass(frozen=True, slots=True)
class UserRequest:
    """What a client sent, not checked yet: every value may be absent (None) or of a wrong type."""

    name: object = None
    read_only: object = None
    password: object = field(default=None, repr=False)
    confirmation: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class UserChange:
    """A user that was made or has another password; `operation_id` is None when the server has that already."""

    database_id: str
    user: DatabaseUser
    password: str = field(repr=False)
    url: str | None = field(repr=False)
    operation_id: str | None


@dataclass(frozen=True, slots=True)
class UserRemoval:
    operation_id: str | None


def list_all(service: Service, principal: Principal, key: str) -> Sequence[DatabaseUser]:
    """The protected one first."""
    with service.store.read() as connection:
        database = authorize_database(connection, principal, key)
        credential, found = credentials.get(connection, database.id), database_users.list_for(connection, database.id)
    first = [_protected(service, database, credential.username)] if credential else []
    return [*first, *(_user(service, database, each) for each in found)]


def create(service: Service, principal: Principal, key: str, request: UserRequest) -> UserChange:
    """A user that may do what the database's own may, or only read; without a password it gets one.

    Raises Invalid with every wrong field, and Conflict as `queue` does.
    """
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, Access.CHANGE)
        name, read_only, password = _check(service, connection, database, request)
        operation_id = queue(service, connection, database, OperationKind.CONFIGURE, _USERS_ONLY)
        sealed = database_users.seal_password(service.box, database.id, name, password)
        user = SealedUser(database.id, name, read_only, sealed, service.clock())
        database_users.put(connection, user)
        data = event_data(database) | {"user": name, "read_only": read_only}
        events.record(connection, principal, EventType.USER_CREATED, user.created_at, database=database, data=data)
        url = find_url(service, connection, database, name, password)
    service.wake()
    return UserChange(database.id, _user(service, database, user), password, url, operation_id)


def change_password(service: Service, principal: Principal, key: str, name: str, request: UserRequest) -> UserChange:
    """A password that was chosen; raises as `create`, Conflict for the protected user, whose password is in URLs."""
    with service.store.read() as connection:
        database = authorize_database(connection, principal, key, Access.CHANGE)
        if _is_protected(connection, database, name):
            raise _refusal(name, "its password can be reset, and not be chosen")
    wrong = FieldErrors()
    password = _password(request, wrong, needed=True)
    wrong.check()
    return _set_password(service, principal, key, name, password)


def reset_password(service: Service, principal: Principal, key: str, name: str) -> UserChange:
    """Give the user a new password; the server gets it within moments, and the old one ends.

    The connection has the new password from here on, whatever happens to the answer. Raises Conflict as `queue` does.
    """
    return _set_password(service, principal, key, name, make_password())


def remove(service: Service, principal: Principal, key: str, name: str) -> UserRemoval:
    """Its sessions end, and what it owns goes to the database's own user, who cannot be removed (Conflict)."""
    now = service.clock()
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, Access.CHANGE)
        if _is_protected(connection, database, name):
            raise _refusal(name, "the database was made with it, and it goes with the database only")
        _find(connection, database, name)
        operation_id = queue(service, connection, database, OperationKind.CONFIGURE, _USERS_ONLY)
        database_users.remove(connection, database.id, name, now)
        data = event_data(database) | {"user": name}
        events.record(connection, principal, EventType.USER_REMOVED, now, database=database, data=data)
    service.wake()
    return UserRemoval(operation_id)


def look_after(service: Service, change: UserChange) -> UserChange | None:
    """The change as it is when its operation has ended; None until then."""
    operation = find(service, change.operation_id) if change.operation_id else None
    if operation is not None and operation.active:
        return None
    if operation is None or operation.status is not OperationStatus.DONE:
        return change
    with service.store.read() as connection:
        found = database_users.get(connection, change.database_id, change.user.name)
    error = found.login_error if found else None
    return replace(change, user=replace(change.user, error=error), operation_id=None)


def is_removed(service: Service, removal: UserRemoval) -> bool:
    """Whether its operation has ended."""
    operation = find(service, removal.operation_id) if removal.operation_id else None
    return operation is None or not operation.active


def _set_password(service: Service, principal: Principal, key: str, name: str, password: str) -> UserChange:
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, Access.CHANGE)
        if _is_protected(connection, database, name):
            user = _protected(service, database, name)
            operation_id = queue(service, connection, database, OperationKind.CONFIGURE)
            sealed = credentials.seal_password(service.box, database.id, password)
            credentials.set_password(connection, database.id, sealed)
        else:
            user = _user(service, database, _find(connection, database, name))
            operation_id = queue(service, connection, database, OperationKind.CONFIGURE, _USERS_ONLY)
            sealed = database_users.seal_password(service.box, database.id, name, password)
            database_users.set_password(connection, database.id, name, sealed)
        data = event_data(database) | {"user": name}
        events.record(connection, principal, EventType.PASSWORD_RESET, service.clock(), database=database, data=data)
        url = find_url(service, connection, database, name, password)
    service.wake()
    return UserChange(database.id, user, password, url, operation_id)


def _refusal(name: str, reason: str) -> Conflict:
    return Conflict(f"{name} is protected: {reason}", extra={"current_operation_id": None})


def _is_protected(connection: Connection, database: Database, name: str) -> bool:
    credential = credentials.get(connection, database.id)
    return credential is not None and credential.username == name


def _find(connection: Connection, database: Database, name: str) -> SealedUser:
    found = database_users.get(connection, database.id, name)
    if found is None or found.removed_at is not None:
        raise NotFound("User not found", resource="user")
    return found


# ---- the rules --------------------------------------------------------------------------------------------------


def _check(service: Service, connection: Connection, database: Database, request: UserRequest) -> tuple[str, bool, str]:
    technology = service.catalogue.get(database.technology)
    if any(each.version == database.version and not each.users for each in technology.versions):
        raise Invalid({"database": [f"has one user: {technology.name} {database.version} takes no others"]})
    there = database_users.list_for(connection, database.id)
    wrong = FieldErrors()
    name = wrong.matching("name", request.name, _NAME, _NAME_RULE)
    if name is not None and name.lower().startswith(_RESERVED):
        wrong.add("name", _NAME_RULE)
    if name is not None and _is_taken(connection, database, name, there):
        wrong.add("name", NAME_TAKEN)
    if len(there) >= MOST_USERS:
        wrong.add("database", f"has {MOST_USERS} users beside its own, and takes no more")
    read_only = wrong.flag("read_only", request.read_only)
    password = _password(request, wrong, needed=False)
    wrong.check()
    return name or "", bool(read_only), password


def _is_taken(connection: Connection, database: Database, name: str, there: Sequence[SealedUser]) -> bool:
    """Some servers, and some people, do not tell capital letters from others."""
    protected = credentials.get(connection, database.id)
    names = [each.name for each in there] + ([protected.username] if protected else [])
    return name.lower() in map(str.lower, names)


def _password(request: UserRequest, wrong: FieldErrors, *, needed: bool) -> str:
    """The one that was chosen, or a new one."""
    if request.password is None and not needed:
        return make_password()
    password = wrong.matching("password", request.password, _PASSWORD, _PASSWORD_RULE)
    if password is not None and request.confirmation not in (None, password):
        wrong.add("password_confirmation", "is another password")
    return password or ""


def _protected(service: Service, database: Database, name: str) -> DatabaseUser:
    return DatabaseUser(name, read_only=False, protected=True, encryption=_encryption(service, database))


def _user(service: Service, database: Database, user: SealedUser) -> DatabaseUser:
    return DatabaseUser(
        user.name,
        user.read_only,
        protected=False,
        encryption=_encryption(service, database),
        error=user.login_error,
    )


def _encryption(service: Service, database: Database) -> str | None:
    return engines.load(service.catalogue.get(database.technology).engine).PASSWORD_ENCRYPTION or None
