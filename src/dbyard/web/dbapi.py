"""`/api/databases`: Scalingo's Database API, as far as it is true of our databases."""

from __future__ import annotations

from dbyard import wire
from dbyard.service import details
from dbyard.web.routes import Call, Parameter, Route, Verb, route
from dbyard.wire.apps import AppOperationAnswer
from dbyard.wire.details import DetailsAnswer, InstanceStatus, MetricsAnswer, PlanDetailsAnswer

_DATABASE = Parameter(
    "database", "path", "The database's id, name or addon id", {"type": "string"}, required=True, source="/database/id"
)

_OPERATION = Parameter("operation", "path", "The operation's id", {"type": "string"}, required=True)


def routes() -> list[Route]:
    return [
        route("/api/databases/{database}", get=_DESCRIBE),
        route("/api/databases/{database}/metrics", get=_MEASURE),
        route("/api/databases/{database}/instances_status", get=_INSTANCES),
        route("/api/databases/{database}/plan", get=_PLAN),
        route("/api/databases/{database}/operations/{operation}", get=_OPERATION_OF),
        route("/api/operations/{operation}", get=_ANY_OPERATION),
    ]


def describe(call: Call) -> DetailsAnswer:
    return details.describe(call.service, call.principal, call.path["database"])


def measure(call: Call) -> MetricsAnswer:
    return details.measure(call.service, call.principal, call.path["database"])


def list_instances(call: Call) -> list[InstanceStatus]:
    return details.list_instances(call.service, call.principal, call.path["database"])


def get_plan(call: Call) -> PlanDetailsAnswer:
    return details.get_plan(call.service, call.principal, call.path["database"])


def get_operation(call: Call) -> AppOperationAnswer:
    return details.get_operation(call.service, call.principal, call.path["operation"], call.path.get("database"))


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
_INSTANCES = Verb(
    list_instances,
    "The servers of a database",
    InstanceStatus,
    many=True,
    parameters=(_DATABASE,),
    refusals={404: wire.Error},
)
_PLAN = Verb(
    get_plan,
    "The plan of a database in figures",
    PlanDetailsAnswer,
    parameters=(_DATABASE,),
    refusals={404: wire.Error},
)
_OPERATION_OF = Verb(
    get_operation,
    "How far an operation of a database is; `finished` when it is done",
    AppOperationAnswer,
    parameters=(_DATABASE, _OPERATION),
    refusals={404: wire.Error},
)
_ANY_OPERATION = Verb(
    get_operation,
    "How far an operation is; `finished` when it is done",
    AppOperationAnswer,
    parameters=(_OPERATION,),
    refusals={404: wire.Error},
)
