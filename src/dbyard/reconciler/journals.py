"""Journals of servers on their way into the archive, beside everything else: a slow archive holds nothing up.

What a server has written since is read and put as an object of its own, a few seconds later. A server that writes
nothing is only looked at.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field, replace
from functools import partial

from dbyard import engines
from dbyard.archive import journals as archived
from dbyard.archive.stores import open_store
from dbyard.engines import Journals
from dbyard.errors import ArchiveUnavailable, JournalLost, NotReady, StaleGeneration
from dbyard.model import MIB, EventType, JournalSpan
from dbyard.operations import Context
from dbyard.operations.backup import key_of
from dbyard.operations.target import Target, address_of, credentials_of, load_database
from dbyard.reconciler.loop import logged, loop
from dbyard.store import databases, events, journals

log = logging.getLogger(__name__)

_AT_ONCE = 3
_PERIOD = 10.0
_AFTER_FAILURE = 30.0
"""Seconds that a server is left alone which did not answer: others wait for their turn meanwhile."""
_ASKED_SECONDS = 5.0
"""For which a request waits until the archive is up to date."""
_MOST = 64 * MIB
"""Of one object."""


@dataclass(slots=True)
class _Seen:
    """What is known of a journal: `state` of its files, all of which is in the archive if it `is_settled`."""

    state: str = ""
    is_settled: bool = False
    read_at: float | None = None
    trouble: str | None = None
    again_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Held by whoever carries it."""


class JournalArchiver:
    def __init__(self, context: Context, stopping: threading.Event) -> None:
        self._context = context
        self._seen: dict[str, _Seen] = {}
        self.threads = [
            loop(f"journals-{number}", stopping, partial(self.run_once, number)) for number in range(_AT_ONCE)
        ]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def read_at(self, instance_id: str) -> float | None:
        """The Unix time before which all that was committed is in the archive, as far as that was seen."""
        seen = self._seen.get(instance_id)
        return seen.read_at if seen else None

    def trouble(self, instance_id: str) -> str | None:
        """Why the archive does not have what the server has written since."""
        seen = self._seen.get(instance_id)
        return seen.trouble if seen else None

    def archive(self, instance_id: str) -> None:
        """Bring one journal up to date now, as far as that takes a few seconds: an archive may answer nothing."""
        thread = threading.Thread(target=self._archive, args=(instance_id,), name="a journal", daemon=True)
        thread.start()
        thread.join(_ASKED_SECONDS)

    def _archive(self, instance_id: str) -> None:
        with self._context.store.read() as connection:
            found = journals.list_open(connection)
        for span, technology in found:
            if span.instance_id == instance_id:
                self._seen.setdefault(instance_id, _Seen()).again_at = 0.0
                self._look(span, technology, _ASKED_SECONDS)

    def run_once(self, number: int = 0) -> float:
        """Bring one share of all journals up to date; the seconds until the next time."""
        with self._context.store.read() as connection:
            found = journals.list_open(connection)
        if number == 0:
            self._tell([span for span, _ in found])
        for span, technology in found:
            if span.id % _AT_ONCE == number:
                with logged(f"to archive the journal of instance {span.instance_id}"):
                    self._look(span, technology)
        return _PERIOD

    def _look(self, span: JournalSpan, technology: str, seconds: float = -1) -> None:
        """Another thread that carries it is waited for so many seconds; -1 for as long as it takes."""
        engine = engines.load(self._context.catalogue.get(technology).engine)
        seen = self._seen.setdefault(span.instance_id, _Seen())
        if not isinstance(engine, Journals) or time.monotonic() < seen.again_at:
            return
        if seen.lock.acquire(timeout=seconds):
            try:
                self._update(engine, self._reread(span), seen)
            finally:
                seen.lock.release()

    def _update(self, engine: Journals, span: JournalSpan, seen: _Seen) -> None:
        now, state = self._context.now(), self._context.runtime.data_state(span.instance_id, engine.JOURNAL)
        if state and state == seen.state and seen.is_settled:
            seen.read_at = now
            return
        try:
            seen.read_at = self._carry(engine, span)
        except (ArchiveUnavailable, NotReady) as error:
            seen.again_at = time.monotonic() + _AFTER_FAILURE
            if seen.trouble is None:
                log.warning("the journal of instance %s waits: %s", span.instance_id, error)
            seen.trouble, seen.is_settled = str(error), False
        except StaleGeneration:
            return
        else:
            # A write in the same instant as the look may not show: what is there twice is there.
            seen.state, seen.is_settled, seen.trouble = state, state == seen.state, None

    def _reread(self, span: JournalSpan) -> JournalSpan:
        """As it is now: another thread may have carried it on meanwhile."""
        with self._context.store.read() as connection:
            return journals.get(connection, span.id) or span

    def _carry(self, engine: Journals, span: JournalSpan) -> float:
        """Put all that the server has; the time before which that is all."""
        target = load_database(self._context, span.database_id, span.instance_id)
        try:
            return self._put_all(engine, target, span)
        except JournalLost as error:
            if (known := self._find_unrecorded(span)) is None:
                self._end(span, str(error))
                return span.read_at
            return self._put_all(engine, target, known)

    def _put_all(self, engine: Journals, target: Target, span: JournalSpan) -> float:
        context = self._context
        address, credentials = address_of(context, target), credentials_of(context, target)
        key, store = key_of(context, span.database_id), open_store(context.archive)
        while True:
            now = archived.to_milliseconds(context.now()) / 1000
            with engine.read_journal(address, credentials, span.mark, _MOST) as part:
                is_all = part.end - span.position < _MOST
                known = replace(span, position=part.end, read_at=now if is_all else span.read_at)
                if part.end > span.position:
                    name = archived.name_of(span.directory, span.position, part.end, known.read_at)
                    archived.put(store, key, name, part.pieces)
                    self._advance(known)
            if is_all:
                return now
            span = known

    def _advance(self, span: JournalSpan) -> None:
        """A power cut may undo it: the archive tells it again."""
        with self._context.store.tx(durable=False) as connection:
            journals.advance(connection, span.id, span.position, span.read_at)

    def _find_unrecorded(self, span: JournalSpan) -> JournalSpan | None:
        """What the archive has beyond what is recorded: the server need not have that any more."""
        pieces = archived.list_pieces(self._context.archive, span.directory)
        last = next(reversed(list(archived.chain(pieces, span.position))), None)
        if last is None:
            return None
        known = replace(span, position=last.end, read_at=max(last.at, span.read_at))
        self._advance(known)
        return known

    def _end(self, span: JournalSpan, reason: str) -> None:
        """A new backup is asked for by the scheduler; until it is done nothing later can be restored to."""
        now = self._context.now()
        read_at = max(span.read_at, self.read_at(span.instance_id) or 0.0)  # nothing was written up to then
        log.warning("the journal of instance %s has a gap: %s", span.instance_id, reason)
        with self._context.store.tx() as connection:
            journals.advance(connection, span.id, span.position, read_at)
            journals.end(connection, span.id, now, reason)
            found = databases.get(connection, span.database_id)
            events.record(connection, None, EventType.JOURNAL_LOST, now, database=found, data={"reason": reason})

    def _tell(self, spans: list[JournalSpan]) -> None:
        now = self._context.now()
        lags = {span.database_id: max(0.0, now - (self.read_at(span.instance_id) or span.read_at)) for span in spans}
        self._context.metrics.set_journal_lags(lags)
        known = {span.instance_id for span in spans}
        for instance_id in set(self._seen) - known:
            del self._seen[instance_id]
