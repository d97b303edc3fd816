"""`/v1/databases/{database}/logs`: the last lines of a server's log, and new ones as they come."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from dbyard import wire
from dbyard.service.databases import logs
from dbyard.web.parameters import DATABASE, lines_parameter, read_lines
from dbyard.web.replies import Parts, Pause, Stream
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.wire.logs import LogsAnswer

EVENTS = "text/event-stream"
FOLLOW_SECONDS = 1.0
"""How often a follower looks for new lines."""
HEARTBEAT_SECONDS = 15.0
"""How long a stream is silent before a comment shows that the connection still works."""

_FOLLOW = Parameter(
    "follow", "query", "Whether to go on with new lines, as server-sent events", {"enum": ["true", "false"]}
)


def routes() -> list[Route]:
    return [route("/v1/databases/{database}/logs", get=_LOGS)]


def read(call: Call) -> LogsAnswer | Stream:
    key, lines = call.path["database"], read_lines(call, "lines")
    if call.flag("follow", default=False):
        return Stream(_events(logs.follow(call.service, call.principal, key, lines)), EVENTS)
    return LogsAnswer(list(logs.read(call.service, call.principal, key, lines)))


def _events(looks: Iterator[Sequence[str]]) -> Parts:
    silent = 0.0
    for new in looks:
        if new:
            silent = 0.0
            yield b"".join(_event(line) for line in new)
        elif silent >= HEARTBEAT_SECONDS:
            silent = 0.0
            yield b": no news\n\n"
        yield Pause(FOLLOW_SECONDS)
        silent += FOLLOW_SECONDS


def _event(line: str) -> bytes:
    """One event a line. What ends a line for readers of the stream ends the line of a field."""
    fields = "".join(f"data: {part}\n" for part in re.split("\r\n|\r|\n", line))
    return f"{fields}\n".encode(errors="replace")


_LOGS = Method(
    read,
    "The last lines of a database server's own log; with `follow` also those to come, one event a line",
    LogsAnswer,
    blocking=True,
    parameters=(DATABASE, lines_parameter("lines"), _FOLLOW),
    errors={404: wire.Error, 422: wire.Errors},
    stream=EVENTS,
)
