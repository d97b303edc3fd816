"""`/api/databases/{database}/logs` and `/v1/apps/{app}/logs`: logs by a link, which needs no token while it is good."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dbyard import wire
from dbyard.model import Database
from dbyard.service.catalogue import technology_of
from dbyard.service.databases import databases, logs, status
from dbyard.service.databases.logs import LogLine
from dbyard.web.handlers import for_path
from dbyard.web.parameters import DATABASE, lines_parameter, read_lines_at_most
from dbyard.web.replies import Parts, Pause
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.web.scalingo.apps import APP, NOT_FOUND, not_found
from dbyard.web.scalingo.encoding.apps import encode as encode_app
from dbyard.web.scalingo.encoding.logs import encode_event, encode_line
from dbyard.wire.logs import AppLinkAnswer, LinkAnswer, LogArchivesAnswer

FOLLOW_SECONDS = 1.0
"""How often a follower looks for new lines."""

_TOKEN = Parameter("token", "query", "As the link has it", {"type": "string"})
_FILTER = Parameter("filter", "query", "Servers, with `|` between them; all by default", {"type": "string"})


def routes() -> list[Route]:
    return [
        route("/api/databases/{database}/logs", get=_LINK),
        route("/api/databases/{database}/logs/lines", socket=follow_link, get=_READ),
        route("/api/databases/{database}/logs_archives", get=_ARCHIVES),
        route("/v1/apps/{app}/logs", get=_APP_LINK),
        route("/v1/apps/{app}/logs_archives", get=_APP_ARCHIVES),
    ]


def make_link(call: Call) -> LinkAnswer:
    return LinkAnswer(_url(call, call.path["database"]))


def make_app_link(call: Call) -> AppLinkAnswer:
    overview = status.get_overview(call.service, call.principal, call.path["app"])
    return AppLinkAnswer(_url(call, overview.database.id), encode_app(overview, call.service.region.name).app)


def read_link(call: Call) -> bytes | None:
    """None while there is nothing to show."""
    lines = read_lines_at_most(call, "n")
    database, found = logs.read_link(call.service, call.path["database"], call.query("token"), lines)
    server = _server(call, database)
    if not found or not _is_wanted(call, server):
        return None
    return "".join(encode_line(line, server) for line in found).encode(errors="replace")


def follow_link(call: Call) -> Parts:
    """A message for each new line, from now on."""
    followed = logs.follow_link(call.service, call.path["database"], call.query("token"))
    server = _server(call, followed.database)
    wanted = _is_wanted(call, server)
    return _messages(followed.steps if wanted else iter(()), server)


def _messages(steps: Iterator[Sequence[LogLine]], server: str) -> Parts:
    for new in steps:
        for line in new:
            yield encode_event(line, server)
        yield Pause(FOLLOW_SECONDS)


def _url(call: Call, key: str) -> str:
    link = logs.make_link(call.service, call.principal, key)
    return f"{call.service.region.url}/api/databases/{link.database_id}/logs/lines?token={link.token}"


def _server(call: Call, database: Database) -> str:
    return f"{technology_of(call.service, database).type_name}-1"


def _is_wanted(call: Call, server: str) -> bool:
    """Whether the `filter` leaves the database's one server, by its name or its kind."""
    only = call.query("filter")
    return not only or not {server, server.removesuffix("-1")}.isdisjoint(only.split("|"))


def _no_archives(_authorized: object) -> LogArchivesAnswer:
    """Older logs are deleted, not kept."""
    return LogArchivesAnswer([])


_LINK = Method(
    make_link, "A link to the logs of a database", LinkAnswer, parameters=(DATABASE,), errors={404: wire.Error}
)
_READ = Method(
    read_link,
    "The logs that a link is for, as text; with `Upgrade: websocket` new lines as they come",
    None,
    public=True,
    owner=lambda call: logs.owner_of_link(call.service, call.query("token")),
    may_be_empty=True,
    blocking=True,
    parameters=(DATABASE, _TOKEN, lines_parameter("n", bounded=False), _FILTER),
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
_APP_LINK = Method(
    make_app_link,
    "A link to the logs of a database",
    AppLinkAnswer,
    parameters=(APP,),
    errors=NOT_FOUND,
    not_found=not_found,
)
_APP_ARCHIVES = Method(
    for_path("app", databases.get, _no_archives),
    "List the archives of a database's logs, of which there are none",
    LogArchivesAnswer,
    parameters=(APP,),
    errors=NOT_FOUND,
    not_found=not_found,
)
