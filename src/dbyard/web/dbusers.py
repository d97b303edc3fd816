"""`/api/databases/{database}/users`: who may log in to a database."""

from __future__ import annotations

from dbyard import wire
from dbyard.service import dbusers
from dbyard.web.routes import Call, Parameter, Route, Verb, route
from dbyard.wire.dbusers import PasswordAnswer, UsersAnswer

_DATABASE = Parameter(
    "database", "path", "The database's id, name or addon id", {"type": "string"}, required=True, source="/database/id"
)
_USER = Parameter("user", "path", "The user's name", {"type": "string"}, required=True, source="/database-users/0/name")


def routes() -> list[Route]:
    return [
        route("/api/databases/{database}/users", get=_LIST),
        route("/api/databases/{database}/users/{user}/reset_password", post=_RESET, patch=_RESET),
    ]


def list_users(call: Call) -> UsersAnswer:
    return dbusers.list_users(call.service, call.principal, call.path["database"])


def reset_password(call: Call) -> PasswordAnswer:
    return dbusers.reset_password(call.service, call.principal, call.path["database"], call.path["user"])


_LIST = Verb(
    list_users,
    "List the users of a database",
    UsersAnswer,
    parameters=(_DATABASE,),
    refusals={404: wire.Error},
)
_RESET = Verb(
    reset_password,
    "Give a user a new password; the old one and the sessions that it opened end",
    PasswordAnswer,
    writes=True,
    parameters=(_DATABASE, _USER),
    refusals={404: wire.Error, 409: wire.NotUsable},
)
