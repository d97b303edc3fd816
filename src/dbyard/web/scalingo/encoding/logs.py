"""Lines of a log as the clients of Scalingo's API read them: each begins with its time and its server."""

from __future__ import annotations

import msgspec

from dbyard.service.databases.logs import LogLine
from dbyard.wire.logs import LogEvent


def encode_line(line: LogLine, server: str) -> str:
    """`DATE TIME OFFSET ZONE [SERVER] LINE`."""
    return f"{line.at:%Y-%m-%d %H:%M:%S.%f +0000 UTC} [{server}] {line.text}\n"


def encode_event(line: LogLine, server: str) -> bytes:
    """The same as a message of a websocket."""
    return msgspec.json.encode(LogEvent("log", encode_line(line, server), line.at))
