"""`/api/databases`: Scalingo's Database API, as far as it is true of our databases."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard import wire
from dbyard.errors import Invalid
from dbyard.service import catalogue
from dbyard.service.databases import backups, databases, details, metrics, operations
from dbyard.web.handlers import authorize, for_path
from dbyard.web.parameters import DATABASE, OPERATION
from dbyard.web.replies import Waiting
from dbyard.web.requests import unwrap
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.web.scalingo.encoding import details as encoding
from dbyard.web.scalingo.encoding.apps import encode_finished_operation
from dbyard.wire.apps import AppOperationAnswer
from dbyard.wire.backups import ScheduleChange
from dbyard.wire.details import DetailsAnswer, InstanceStatus, MetricsAnswer, PlanDetailsAnswer

_ENABLED, _SCHEDULED_AT = "periodic_backups_enabled", "periodic_backups_scheduled_at"
_ANSWER_SECONDS = 1.0
"""For which a server's own figures are waited for."""
_NOT_FOUND = {404: wire.Error}
_PLAN_NAME = Parameter("plan", "path", "The plan's name or id", {"type": "string"}, required=True, source="/plan/name")
_TYPE = Parameter("type", "query", "The plan's technology, which its name tells already", {"type": "string"})


def routes() -> list[Route]:
    return [
        route("/api/databases/{database}", get=_DESCRIBE, patch=_CHANGE, put=_CHANGE),
        route("/api/databases/{database}/metrics", get=_MEASURE),
        route("/api/databases/{database}/instances_status", get=_INSTANCES),
        route("/api/databases/{database}/plan", get=_PLAN),
        route("/api/databases/{database}/operations/{operation}", get=_OPERATION_OF),
        route("/api/plans/{plan}", get=_ANY_PLAN),
        route("/api/operations/{operation}", get=_ANY_OPERATION),
    ]


def get_operation(call: Call) -> AppOperationAnswer:
    found = operations.get(call.service, call.principal, call.path["operation"], call.path.get("database"))
    return encode_finished_operation(found)


def get_plan(call: Call) -> PlanDetailsAnswer:
    plan = catalogue.find_plan(call.service, call.path["plan"])
    return encoding.encode_plan(plan, backups.find_retention(call.service, plan))


def get_plan_of(call: Call) -> PlanDetailsAnswer:
    plan = details.get_facts(call.service, call.principal, call.path["database"]).plan
    return encoding.encode_plan(plan, backups.find_retention(call.service, plan))


def change(call: Call) -> DetailsAnswer:
    """When it is backed up without being asked; nothing else of it can be set."""
    fields = unwrap(call.fields(), "database")
    unknown = sorted(fields.keys() - {_ENABLED, _SCHEDULED_AT})
    if unknown:
        raise Invalid({name: ["cannot be set here"] for name in unknown})
    if not fields:
        raise Invalid({_ENABLED: ["or the hour is required"]})
    key = call.path["database"]
    backups.set_schedule(call.service, call.principal, key, _read_enabled(fields), _read_hour(fields))
    return encoding.encode(details.describe(call.service, call.principal, key))


def _read_enabled(fields: Mapping[str, object]) -> bool | None:
    value = fields.get(_ENABLED)
    if not isinstance(value, bool | None):
        raise Invalid({_ENABLED: ["should be true or false"]})
    return value


def _read_hour(fields: Mapping[str, object]) -> int | None:
    """Clients send a number, or a list of one."""
    value = fields.get(_SCHEDULED_AT)
    hour = value[0] if isinstance(value, list) and len(value) == 1 else value
    if hour is not None and (type(hour) is not int or not 0 <= hour <= 23):
        raise Invalid({_SCHEDULED_AT: ["should be an hour from 0 to 23, UTC"]})
    return hour


def measure(call: Call) -> Waiting[MetricsAnswer]:
    measuring = metrics.begin(call.service, call.principal, call.path["database"])

    def poll(at_last: bool) -> MetricsAnswer | None:
        found = metrics.finish(call.service, measuring, at_last=at_last)
        return encoding.encode_metrics(found) if found else None

    return Waiting(poll, _ANSWER_SECONDS, metrics.SAMPLE_SECONDS)


_DESCRIBE = Method(
    for_path("database", details.describe, encoding.encode),
    "Which server stands behind a database, what it may use, and what its disk allows",
    DetailsAnswer,
    blocking=True,
    parameters=(DATABASE,),
    errors=_NOT_FOUND,
)
_CHANGE = Method(
    change,
    "Set when a database is backed up without being asked",
    DetailsAnswer,
    writes=True,
    authorize=authorize("database", databases.get),
    parameters=(DATABASE,),
    body=ScheduleChange,
    errors={404: wire.Error, 422: wire.Errors},
)
_MEASURE = Method(
    measure,
    "What a database uses at this moment, and what its server counts",
    MetricsAnswer,
    blocking=True,
    parameters=(DATABASE,),
    errors=_NOT_FOUND,
)
_INSTANCES = Method(
    for_path("database", details.get_facts, encoding.encode_instances),
    "The servers of a database",
    InstanceStatus,
    many=True,
    parameters=(DATABASE,),
    errors=_NOT_FOUND,
)
_PLAN = Method(
    get_plan_of,
    "The plan of a database in figures",
    PlanDetailsAnswer,
    parameters=(DATABASE,),
    errors=_NOT_FOUND,
)
_OPERATION_OF = Method(
    get_operation,
    "How far an operation of a database is; `finished` when it is done",
    AppOperationAnswer,
    parameters=(DATABASE, OPERATION),
    errors=_NOT_FOUND,
)
_ANY_OPERATION = Method(
    get_operation,
    "How far an operation is; `finished` when it is done",
    AppOperationAnswer,
    parameters=(OPERATION,),
    errors=_NOT_FOUND,
)
_ANY_PLAN = Method(get_plan, "A plan in figures", PlanDetailsAnswer, parameters=(_PLAN_NAME, _TYPE), errors=_NOT_FOUND)
