"""`/v1/audit/events` and `/v1/databases/{database}/events`: all that was done, by whom, in our own words."""

from __future__ import annotations

from dbyard import wire
from dbyard.service import events
from dbyard.web.api.encoding.events import encode_page
from dbyard.web.pages import ALL, PAGING, read_page
from dbyard.web.parameters import DATABASE
from dbyard.web.routes import Call, Method, Route, route
from dbyard.wire.events import AuditEventsAnswer


def routes() -> list[Route]:
    return [
        route("/v1/audit/events", get=_EVENTS),
        route("/v1/databases/{database}/events", get=_DATABASE_EVENTS),
    ]


def list_all(call: Call) -> AuditEventsAnswer:
    everybody = call.flag("all", default=False)
    return encode_page(events.list_all(call.service, call.principal, read_page(call), everybody=everybody))


def list_for_database(call: Call) -> AuditEventsAnswer:
    return encode_page(events.list_for_database(call.service, call.principal, call.path["database"], read_page(call)))


_EVENTS = Method(
    list_all,
    "What was done in your account, newest first",
    AuditEventsAnswer,
    blocking=True,
    parameters=(*PAGING, ALL),
    errors={403: wire.Error, 422: wire.Errors},
)
_DATABASE_EVENTS = Method(
    list_for_database,
    "What was done to a database, newest first",
    AuditEventsAnswer,
    blocking=True,
    parameters=(DATABASE, *PAGING),
    errors={404: wire.Error, 422: wire.Errors},
)
