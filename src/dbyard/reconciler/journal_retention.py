"""What is kept of journals: as much as a plan's window needs, from a backup on that can be restored.

Small objects are joined when they are an hour old.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace

from dbyard.archive import journals as archived
from dbyard.archive.journals import Piece
from dbyard.archive.stores import open_store
from dbyard.errors import BackupDamaged, ObjectMissing
from dbyard.model import DAY, Backup, EventType, JournalSpan, retention_of
from dbyard.operations import Context
from dbyard.operations.backup import key_of
from dbyard.reconciler.loop import logged, loop
from dbyard.service.databases.moments import continues
from dbyard.store import backups, databases, events, instances, journals

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
        with logged("to remove what is half written in the archive"):
            self._remove_unfinished()
        return _HOUR

    def _remove_unfinished(self) -> None:
        """What a kill has left of a piece has a name that no other one gets."""
        archive, before = self._context.archive, self._context.now() - DAY
        for each in (archive, archive.copy) if archive.copy else (archive,):
            open_store(each).delete_unfinished(before)

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
                self._join(span, now)

    def _remove(self, span: JournalSpan) -> None:
        """From the archive first: what a kill leaves there is found by its row."""
        open_store(self._context.archive).delete([each.name for each in self._list(span)])
        with self._context.store.tx() as connection:
            journals.delete(connection, span.id)

    def _trim(self, span: JournalSpan, needed: int) -> None:
        """From the archive last: what a kill leaves there is found by its name."""
        pieces = self._list(span)
        found = archived.runs(pieces)
        if not is_whole(found, needed, span.position):
            self._ask_copy(span)
            self._split(span, found)
            return
        kept = next((each.start for each in pieces if each.start <= needed < each.end), needed)
        if kept > span.start:
            started_at = next((each.at for each in reversed(pieces) if each.end <= kept), span.started_at)
            with self._context.store.tx() as connection:
                journals.set_start(connection, span.id, kept, started_at)
        open_store(self._context.archive).delete([each.name for each in pieces if each.end <= kept])

    def _join(self, span: JournalSpan, now: float) -> None:
        """What was joined a day ago is removed: until then a restore may still read it."""
        pieces = self._list(span)
        covered = [each.name for each in archived.list_covered(pieces, now - DAY)]
        open_store(self._context.archive).delete(covered)
        key = key_of(self._context, span.database_id)
        for group in archived.list_joins(pieces, now - _HOUR):
            try:
                archived.join(self._context.archive, key, span.directory, group)
            except (BackupDamaged, ObjectMissing) as error:
                log.error("objects of %s are not joined: %s", span.directory, error)

    def _split(self, span: JournalSpan, found: Sequence[Sequence[Piece]]) -> None:
        """What comes before a gap ends there, and can be restored as before; the span itself is what comes after."""
        now = self._context.now()
        reason = f"the archive has lost objects of {span.directory}"
        log.error("%s", reason)
        goes_on = bool(found) and found[-1][-1].end == span.position
        start, at = (found[-1][0].start, found[-1][0].at) if goes_on else (span.position, span.read_at)
        with self._context.store.tx() as connection:
            for run in found[:-1] if goes_on else found:
                journals.insert(connection, _ended(span, run, now, reason))
            journals.set_start(connection, span.id, start, at)
            known, data = databases.get(connection, span.database_id), {"reason": reason}
            events.record(connection, None, EventType.JOURNAL_LOST, now, database=known, data=data)

    def _ask_copy(self, span: JournalSpan) -> None:
        """Raises ArchiveUnavailable where the copy of the archive cannot tell whether it has what the archive lacks."""
        if (copy := self._context.archive.copy) is not None:
            open_store(copy).list(span.directory)

    def _list(self, span: JournalSpan) -> list[Piece]:
        """What the archive has of the span."""
        found = archived.list_pieces(self._context.archive, span.directory)
        return [each for each in found if span.start <= each.start and each.end <= span.position]


# ---- the rules, all pure ----------------------------------------------------------------------------------------


def first_needed(span: JournalSpan, bases: Sequence[Backup], oldest: float) -> int | None:
    """From which position on a restore to the time `oldest`, or to any later one, needs it; None where nothing can.

    `bases` are the database's backups, newest first.
    """
    usable = [each for each in bases if continues(span, each)]
    done = (each.position for each in usable if each.finished_at is not None and each.finished_at <= oldest)
    return next(done, min((each.position or 0 for each in usable), default=None))


def is_whole(found: Sequence[Sequence[Piece]], needed: int, position: int) -> bool:
    """Whether nothing is missing from the position that is needed to the last one; `found` are runs without a gap."""
    return needed >= position or any(run[0].start <= needed and run[-1].end == position for run in found)


def _ended(span: JournalSpan, run: Sequence[Piece], now: float, reason: str | None) -> JournalSpan:
    """The run as a span of its own, which nothing continues."""
    first, last = run[0], run[-1]
    told = replace(span, start=first.start, position=last.end, started_at=first.at, read_at=last.at)
    return replace(told, ended_at=now, reason=reason)
