"""The log of a database: its last lines, and links to it."""

from __future__ import annotations

from msgspec import Struct


class LinkAnswer(Struct, frozen=True):
    """A URL that shows the log for a while, without a token."""

    url: str

    def __repr__(self) -> str:
        return "LinkAnswer()"


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
