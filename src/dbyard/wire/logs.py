"""The log of a database: its last lines, and links to it."""

from __future__ import annotations

from msgspec import Struct

from dbyard.wire import Date
from dbyard.wire.apps import AppDetails


class LinkAnswer(Struct, frozen=True):
    """A URL that shows the log for a while, without a token."""

    url: str

    def __repr__(self) -> str:
        return "LinkAnswer()"


class AppLinkAnswer(Struct, frozen=True):
    """The same for the app that a database is."""

    logs_url: str
    app: AppDetails

    def __repr__(self) -> str:
        return "AppLinkAnswer()"


class LogEvent(Struct, frozen=True):
    """A message of a log that is followed through a websocket: a line."""

    event: str
    log: str
    timestamp: Date


class LogArchive(Struct, frozen=True):
    url: str
    size: int


class LogArchivesAnswer(Struct, frozen=True):
    """None, always."""

    archives: list[LogArchive]
    next_cursor: str | None = None
    has_more: bool = False


class LogsAnswer(Struct, frozen=True):
    """The last lines that the server wrote to its own log, oldest first."""

    lines: list[str]
