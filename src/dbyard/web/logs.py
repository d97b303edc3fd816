"""`/api/databases/{database}/logs`: logs by a link, which needs no token for as long as it is good."""

from __future__ import annotations

from dbyard import wire
from dbyard.service import logs
from dbyard.web.databases import read_lines
from dbyard.web.routes import Call, Parameter, Route, Verb, route
from dbyard.wire.details import LinkAnswer, LogArchivesAnswer

_DATABASE = Parameter(
    "database", "path", "The database's id, name or addon id", {"type": "string"}, required=True, source="/database/id"
)
_TOKEN = Parameter("token", "query", "As the link has it", {"type": "string"})
_LINES = Parameter("n", "query", "How many lines, 100 by default", {"type": "integer", "minimum": 1, "maximum": 10_000})
_FILTER = Parameter("filter", "query", "Servers, with `|` between them; all by default", {"type": "string"})


def routes() -> list[Route]:
    return [
        route("/api/databases/{database}/logs", get=_LINK),
        route("/api/databases/{database}/logs/lines", get=_READ),
        route("/api/databases/{database}/logs_archives", get=_ARCHIVES),
    ]


def make_link(call: Call) -> LinkAnswer:
    return logs.make_link(call.service, call.principal, call.path["database"])


def read_link(call: Call) -> bytes:
    lines = read_lines(call.query("n"), "n")
    text = logs.read_link(call.service, call.path["database"], call.query("token"), lines, call.query("filter"))
    return text.encode()


def list_archives(call: Call) -> LogArchivesAnswer:
    return logs.list_archives(call.service, call.principal, call.path["database"])


_LINK = Verb(
    make_link, "A link to the logs of a database", LinkAnswer, parameters=(_DATABASE,), refusals={404: wire.Error}
)
_READ = Verb(
    read_link,
    "The logs that a link is for, as text",
    None,
    public=True,
    waits=True,
    parameters=(_DATABASE, _TOKEN, _LINES, _FILTER),
    refusals={404: wire.Error, 422: wire.Errors},
    media="text/plain; charset=utf-8",
)
_ARCHIVES = Verb(
    list_archives,
    "List the archives of a database's logs, of which there are none",
    LogArchivesAnswer,
    parameters=(_DATABASE,),
    refusals={404: wire.Error},
)
