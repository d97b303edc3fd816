"""`/api/databases`: Scalingo's Database API, as far as it is true of our databases."""

from __future__ import annotations

from dbyard import wire
from dbyard.service import details
from dbyard.web.routes import Call, Parameter, Route, Verb, route
from dbyard.wire.details import DetailsAnswer, MetricsAnswer

_DATABASE = Parameter(
    "database", "path", "The database's id, name or addon id", {"type": "string"}, required=True, source="/database/id"
)


def routes() -> list[Route]:
    return [
        route("/api/databases/{database}", get=_DESCRIBE),
        route("/api/databases/{database}/metrics", get=_MEASURE),
    ]


def describe(call: Call) -> DetailsAnswer:
    return details.describe(call.service, call.principal, call.path["database"])


def measure(call: Call) -> MetricsAnswer:
    return details.measure(call.service, call.principal, call.path["database"])


_DESCRIBE = Verb(
    describe,
    "Which server stands behind a database, what it may use, and what its disk allows",
    DetailsAnswer,
    waits=True,
    parameters=(_DATABASE,),
    refusals={404: wire.Error},
)
_MEASURE = Verb(
    measure,
    "What a database uses at this moment, and what its server counts",
    MetricsAnswer,
    waits=True,
    parameters=(_DATABASE,),
    refusals={404: wire.Error},
)
