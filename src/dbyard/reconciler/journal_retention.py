"""What is kept of journals: as much as a plan's window needs, from a backup on that can be restored."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from dbyard.archive import journals as archived
from dbyard.archive.journals import Piece
from dbyard.archive.stores import open_store
from dbyard.model import DAY, Backup, EventType, JournalSpan, retention_of
from dbyard.operations import Context
from dbyard.reconciler.loop import logged, loop
from dbyard.service.databases.moments import continues
from dbyard.store import Connection, backups, databases, events, instances, journals

log = logging.getLogger(__name__)

_HOUR = 3600.0


class JournalRetention:
    def __init__(self, context: Context, stopping: threading.Event) -> None:
        self._context = context
        self.threads = [loop("journal retention", stopping, self.run_once)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def run_once(self) -> float:
        """Remove what is not needed any more, and look whether the rest is there; the seconds until the next time."""
        with self._context.store.read() as connection:
            found = journals.list_databases(connection)
        for database_id in found:
            with logged(f"to look after the journal of database {database_id}"):
                self._look_after(database_id)
        return _HOUR

    def _look_after(self, database_id: str) -> None:
        now = self._context.now()
        with self._context.store.read() as connection:
            known = {each.id for each in instances.list_for(connection, database_id)}
            database, bases = databases.get(connection, database_id), backups.list_for(connection, database_id)
            spans = journals.list_for(connection, database_id)
        plan = database.plan if database else bases[0].plan if bases else ""
        oldest = now - retention_of(plan).journal_days * DAY
        for span in spans:
            needed = first_needed(span, bases, oldest)
            if needed is None and (span.ended_at is not None or span.instance_id not in known):
                self._remove(span)
            else:
                self._trim(span, span.position if needed is None else needed)

    def _remove(self, span: JournalSpan) -> None:
        """From the archive first: what a kill leaves there is found by its row."""
        open_store(self._context.archive).delete([each.name for each in self._list(span)])
        with self._context.store.tx() as connection:
            journals.delete(connection, span.id)

    def _trim(self, span: JournalSpan, needed: int) -> None:
        """From the archive last: what a kill leaves there is found by its name."""
        pieces = self._list(span)
        whole = last_whole(pieces, span.position)
        if whole > needed:
            self._ask_copy(span)
        start = max(whole, needed)
        kept = min((each.start for each in pieces if each.end > start >= each.start), default=start)
        if kept > span.start:
            started_at = next((each.at for each in reversed(pieces) if each.end <= kept), span.started_at)
            with self._context.store.tx() as connection:
                journals.set_start(connection, span.id, kept, started_at)
                if whole > needed:
                    self._record_gap(connection, span, needed, whole)
        open_store(self._context.archive).delete([each.name for each in pieces if each.end <= kept])

    def _ask_copy(self, span: JournalSpan) -> None:
        """Raises ArchiveUnavailable where the copy of the archive cannot tell whether it has what the archive lacks."""
        if (copy := self._context.archive.copy) is not None:
            open_store(copy).list(span.directory)

    def _list(self, span: JournalSpan) -> list[Piece]:
        """What the archive has of the span."""
        found = archived.list_pieces(self._context.archive, span.directory)
        return [each for each in found if span.start <= each.start and each.end <= span.position]

    def _record_gap(self, connection: Connection, span: JournalSpan, needed: int, whole: int) -> None:
        reason = f"the archive has lost objects of {span.directory} between the positions {needed:x} and {whole:x}"
        log.error("%s", reason)
        found = databases.get(connection, span.database_id)
        data = {"reason": reason}
        events.record(connection, None, EventType.JOURNAL_LOST, self._context.now(), database=found, data=data)


# ---- the rules, all pure ----------------------------------------------------------------------------------------


def first_needed(span: JournalSpan, bases: Sequence[Backup], oldest: float) -> int | None:
    """From which position on a restore to the time `oldest`, or to any later one, needs it; None where nothing can.

    `bases` are the database's backups, newest first.
    """
    usable = [each for each in bases if continues(span, each)]
    done = (each.position for each in usable if each.finished_at is not None and each.finished_at <= oldest)
    return next(done, min((each.position or 0 for each in usable), default=None))


def last_whole(pieces: Sequence[Piece], position: int) -> int:
    """Where the pieces begin that go on to the position without a gap; that itself where there are none."""
    start = end = -1
    for each in pieces:
        if each.start > end:
            start = each.start
        end = max(end, each.end)
    return start if end == position else position
