"""`/api/databases/{database}/users`: the logins inside a database's server."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from dbyard import wire
from dbyard.service.databases import database_users, databases
from dbyard.service.databases.database_users import UserChange, UserRequest
from dbyard.web.handlers import authorize, for_path
from dbyard.web.parameters import DATABASE
from dbyard.web.replies import Reply, Waiting
from dbyard.web.requests import unwrap
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.web.scalingo.encoding import database_users as encoding
from dbyard.wire.database_users import ChangeDatabaseUser, CreateDatabaseUser, DatabaseUsersAnswer, PasswordAnswer

_CHANGE_SECONDS = 3.0
"""A change is answered when the server has it, or a little later: it does not depend on that."""
_USER = Parameter("user", "path", "The user's name", {"type": "string"}, required=True, source="/database-users/0/name")
_ERRORS: Mapping[int, type[Struct]] = {404: wire.Error, 409: wire.NotUsable}


def routes() -> list[Route]:
    return [
        route("/api/databases/{database}/users", get=_LIST, post=_CREATE),
        route("/api/databases/{database}/users/{user}", patch=_CHANGE, delete=_REMOVE),
        route("/api/databases/{database}/users/{user}/reset_password", post=_RESET, patch=_RESET),
    ]


def create(call: Call) -> Waiting[PasswordAnswer]:
    change = database_users.create(call.service, call.principal, call.path["database"], _read(call))
    return _await(call, change)


def change_password(call: Call) -> Waiting[PasswordAnswer]:
    key, user = call.path["database"], call.path["user"]
    return _await(call, database_users.change_password(call.service, call.principal, key, user, _read(call)))


def reset_password(call: Call) -> Waiting[PasswordAnswer]:
    key, user = call.path["database"], call.path["user"]
    return _await(call, database_users.reset_password(call.service, call.principal, key, user))


def remove(call: Call) -> Waiting[Reply]:
    removal = database_users.remove(call.service, call.principal, call.path["database"], call.path["user"])

    def poll(at_last: bool) -> Reply | None:
        return Reply(204, b"", ()) if at_last or database_users.is_removed(call.service, removal) else None

    return Waiting(poll, _CHANGE_SECONDS)


def _await(call: Call, change: UserChange) -> Waiting[PasswordAnswer]:
    def poll(at_last: bool) -> PasswordAnswer | None:
        ended = database_users.look_after(call.service, change) or (change if at_last else None)
        return encoding.encode_change(ended) if ended else None

    return Waiting(poll, _CHANGE_SECONDS)


def _read(call: Call) -> UserRequest:
    fields = unwrap(call.fields(), "database_user")
    wanted = ("name", "read_only", "password", "password_confirmation")
    return UserRequest(*(fields.get(each) for each in wanted))


_LIST = Method(
    for_path("database", database_users.list_all, encoding.encode_all),
    "List the users of a database",
    DatabaseUsersAnswer,
    parameters=(DATABASE,),
    errors={404: wire.Error},
)
_CREATE = Method(
    create,
    "Make another user of a database, which may write or only read",
    PasswordAnswer,
    status=201,
    writes=True,
    authorize=authorize("database", databases.get),
    body=CreateDatabaseUser,
    parameters=(DATABASE,),
    errors=_ERRORS,
)
_CHANGE = Method(
    change_password,
    "Give a user another password that is chosen; the old one and the sessions that it opened end",
    PasswordAnswer,
    writes=True,
    authorize=authorize("database", databases.get),
    body=ChangeDatabaseUser,
    parameters=(DATABASE, _USER),
    errors=_ERRORS,
)
_RESET = Method(
    reset_password,
    "Give a user a new password; the old one and the sessions that it opened end",
    PasswordAnswer,
    writes=True,
    parameters=(DATABASE, _USER),
    errors=_ERRORS,
)
_REMOVE = Method(
    remove,
    "Remove a user of a database: its sessions end, and what it owns goes to the protected one",
    None,
    status=204,
    writes=True,
    parameters=(DATABASE, _USER),
    errors=_ERRORS,
)
