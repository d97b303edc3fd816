"""Journals: what a server writes ahead of its data, kept in the archive so that a moment can be restored.

PostgreSQL calls its own the write-ahead log, MySQL and MariaDB the binary log.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JournalMark:
    """A place in a journal. `identity` tells the journal from every other; `position` grows with what is written."""

    identity: str
    position: int


@dataclass(frozen=True, slots=True)
class JournalPart:
    """What stands in a journal behind a mark, up to the position `end`."""

    end: int
    pieces: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class JournalSpan:
    """What the archive has of the journal of an instance, from `start` to `position`, with nothing missing in between.

    `read_at` is the Unix time of `position`: what was committed before is in it. Only the newest span of an instance
    goes on; one that has an end lacks what came next, and `reason` says why.
    """

    id: int
    database_id: str
    instance_id: str
    journal: str
    """Its identity, and after a dot what tells this span from every other: a server may be made again of its backup."""
    start: int
    position: int
    started_at: float
    read_at: float
    ended_at: float | None = None
    reason: str | None = None

    @property
    def mark(self) -> JournalMark:
        return JournalMark(self.journal.partition(".")[0], self.position)

    @property
    def directory(self) -> str:
        """Of its objects in the archive."""
        return f"{self.database_id}/journal/{self.instance_id}/{self.journal}"
