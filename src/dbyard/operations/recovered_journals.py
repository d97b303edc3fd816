"""What the archive has of journals, told to a state that was put back: it may know less than that, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dbyard.archive import journals as archived
from dbyard.archive.journals import Piece
from dbyard.archive.locations import Location
from dbyard.archive.stores import open_store
from dbyard.model import JournalSpan
from dbyard.store import Connection, Store, journals

_ENDED = "another one has followed it"


def adopt(store: Store, archive: Location) -> None:
    """Raises ArchiveUnavailable; then nothing is written. The newest span of an instance goes on, where that does."""
    found = _read(archive)
    with store.tx() as connection:
        for span in found:
            _merge(connection, span)


def _read(archive: Location) -> list[JournalSpan]:
    store, found = open_store(archive), []
    for database_id in store.list_directories():
        for instance_id in store.list_directories(f"{database_id}/journal"):
            spans: list[JournalSpan] = []
            for journal in store.list_directories(f"{database_id}/journal/{instance_id}"):
                pieces = archived.list_pieces(archive, f"{database_id}/journal/{instance_id}/{journal}")
                spans += [_span(database_id, instance_id, journal, run) for run in archived.runs(pieces)]
            spans.sort(key=lambda each: each.read_at)
            found += [replace(each, ended_at=each.read_at, reason=_ENDED) for each in spans[:-1]] + spans[-1:]
    return found


def _span(database_id: str, instance_id: str, journal: str, run: Sequence[Piece]) -> JournalSpan:
    first, last = run[0], run[-1]
    return JournalSpan(0, database_id, instance_id, journal, first.start, last.end, first.at, last.at)


def _merge(connection: Connection, span: JournalSpan) -> None:
    """What the archive has counts, and not what was known of it."""
    for known in journals.list_for(connection, span.database_id):
        is_same = (known.instance_id, known.journal) == (span.instance_id, span.journal)
        if is_same and known.start <= span.position and span.start <= known.position:
            journals.advance(connection, known.id, span.position, span.read_at)
            return
    journals.insert(connection, span)
