"""`/api/databases/{database}/users`: the logins inside a database's server."""

from __future__ import annotations

from dbyard import wire
from dbyard.service.databases import database_users
from dbyard.web.handlers import for_path
from dbyard.web.parameters import DATABASE
from dbyard.web.replies import Waiting
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.web.scalingo.encoding import database_users as encoding
from dbyard.wire.database_users import DatabaseUsersAnswer, PasswordAnswer

_RESET_SECONDS = 3.0
_USER = Parameter("user", "path", "The user's name", {"type": "string"}, required=True, source="/database-users/0/name")


def routes() -> list[Route]:
    return [
        route("/api/databases/{database}/users", get=_LIST),
        route("/api/databases/{database}/users/{user}/reset_password", post=_RESET, patch=_RESET),
    ]


def reset_password(call: Call) -> Waiting[PasswordAnswer]:
    """Answered when the server has the new password, or a little later: the reset does not depend on that."""
    key, user = call.path["database"], call.path["user"]
    reset = database_users.reset_password(call.service, call.principal, key, user)

    def poll(at_last: bool) -> PasswordAnswer | None:
        ended = database_users.look_after(call.service, reset) or (reset if at_last else None)
        return encoding.encode_reset(ended) if ended else None

    return Waiting(poll, _RESET_SECONDS)


_LIST = Method(
    for_path("database", database_users.list_all, encoding.encode_all),
    "List the users of a database",
    DatabaseUsersAnswer,
    parameters=(DATABASE,),
    errors={404: wire.Error},
)
_RESET = Method(
    reset_password,
    "Give a user a new password; the old one and the sessions that it opened end",
    PasswordAnswer,
    writes=True,
    parameters=(DATABASE, _USER),
    errors={404: wire.Error, 409: wire.NotUsable},
)
