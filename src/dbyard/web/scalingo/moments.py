"""`/api/databases/{database}/pitr`: any moment of a database's past, restored in place or into a new database."""

from __future__ import annotations

from dbyard import wire
from dbyard.service.databases import databases, moments
from dbyard.web.api.encoding import databases as database_encoding
from dbyard.web.handlers import authorize, for_path
from dbyard.web.parameters import DATABASE
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.web.scalingo.encoding import moments as encoding
from dbyard.wire.moments import MomentAnswer, RecoveryWindowAnswer, RestoreMoment

_INTO = Parameter("into", "query", "The name of a new database that gets the data", {"type": "string"})


def routes() -> list[Route]:
    return [
        route("/api/databases/{database}/pitr/restore", post=_RESTORE),
        route("/api/databases/{database}/pitr/recovery_window", get=_WINDOW),
    ]


def restore_moment(call: Call) -> MomentAnswer | wire.DatabaseAnswer:
    key, name, at = call.path["database"], call.query("into"), call.fields().get("restore_time")
    if name is not None:
        return database_encoding.encode(moments.restore_into(call.service, call.principal, key, at, name))
    return encoding.encode(moments.restore(call.service, call.principal, key, at))


_RESTORE = Method(
    restore_moment,
    "Put the data of a moment in the place of a database's, which are kept for a day, or into a new database",
    MomentAnswer,
    alternative=wire.DatabaseAnswer,
    status=201,
    writes=True,
    authorize=authorize("database", databases.get),
    parameters=(DATABASE, _INTO),
    body=RestoreMoment,
    errors={404: wire.Error, 409: wire.Error, 422: wire.Errors},
)
_WINDOW = Method(
    for_path("database", moments.find_window, encoding.encode_window),
    "Which moments of a database's past can be restored",
    RecoveryWindowAnswer,
    parameters=(DATABASE,),
    errors={404: wire.Error, 422: wire.Errors},
)
