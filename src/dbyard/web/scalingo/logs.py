"""`/api/databases/{database}/logs`: logs by a link, which needs no token for as long as it is good."""

from __future__ import annotations

from dbyard import wire
from dbyard.model.times import to_datetime
from dbyard.service.catalogue import technology_of
from dbyard.service.databases import databases, logs
from dbyard.web.handlers import for_path
from dbyard.web.parameters import DATABASE, lines_parameter, read_lines
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.web.scalingo.encoding.logs import encode_lines
from dbyard.wire.logs import LinkAnswer, LogArchivesAnswer

_TOKEN = Parameter("token", "query", "As the link has it", {"type": "string"})
_FILTER = Parameter("filter", "query", "Servers, with `|` between them; all by default", {"type": "string"})


def routes() -> list[Route]:
    return [
        route("/api/databases/{database}/logs", get=_LINK),
        route("/api/databases/{database}/logs/lines", get=_READ),
        route("/api/databases/{database}/logs_archives", get=_ARCHIVES),
    ]


def make_link(call: Call) -> LinkAnswer:
    link = logs.make_link(call.service, call.principal, call.path["database"])
    return LinkAnswer(f"{call.service.region.url}/api/databases/{link.database_id}/logs/lines?token={link.token}")


def read_link(call: Call) -> bytes:
    lines = read_lines(call, "n")
    found = logs.read_link(call.service, call.path["database"], call.query("token"), lines)
    kind, only = technology_of(call.service, found.database).type_name, call.query("filter")
    if only and not {kind, f"{kind}-1"} & set(only.split("|")):
        return b""
    encoded = encode_lines(found.lines, f"{kind}-1", to_datetime(call.service.clock()))
    return "".join(f"{line}\n" for line in encoded).encode()


def _no_archives(_authorized: object) -> LogArchivesAnswer:
    """Older logs are deleted, not kept."""
    return LogArchivesAnswer([])


_LINK = Method(
    make_link, "A link to the logs of a database", LinkAnswer, parameters=(DATABASE,), errors={404: wire.Error}
)
_READ = Method(
    read_link,
    "The logs that a link is for, as text",
    None,
    public=True,
    blocking=True,
    parameters=(DATABASE, _TOKEN, lines_parameter("n"), _FILTER),
    errors={404: wire.Error, 422: wire.Errors},
    media="text/plain; charset=utf-8",
)
_ARCHIVES = Method(
    for_path("database", databases.get, _no_archives),
    "List the archives of a database's logs, of which there are none",
    LogArchivesAnswer,
    parameters=(DATABASE,),
    errors={404: wire.Error},
)
