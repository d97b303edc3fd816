"""Every object of the archive goes to its copy as well, one after the other; what it has lost or damaged comes back.

Nothing else writes to the copy, so nothing waits for it. A backup is copied once it is whole. Where the platform is
killed meanwhile, what lacks is found again.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby

from dbyard.archive import journals as archived
from dbyard.archive import reading
from dbyard.archive.stores import Store, open_store
from dbyard.errors import ArchiveUnavailable, BackupDamaged, ObjectMissing
from dbyard.model import BackupStatus, EventType
from dbyard.operations import Context
from dbyard.operations.backup import key_of
from dbyard.reconciler.loop import loop
from dbyard.reconciler.record_event import record_for_admin
from dbyard.store import Connection, backups, journals

log = logging.getLogger(__name__)

_PERIOD, _PERIOD_OF_DIRECTORIES = 60.0, 10.0
"""Between two looks; to list a bucket is not for nothing."""
_BEHIND = 6 * 3600.0
"""Seconds for which the copy may lack something before that is an event."""
_STATES, _STATES_KEPT = "platform", 7


class ArchiveCopies:
    """A thread only where the archive has a copy."""

    def __init__(self, context: Context, stopping: threading.Event) -> None:
        self._context = context
        self._stopping = stopping
        self._whole_at = context.now()
        """When the copy lacked nothing, as far as this process knows."""
        self._told = False
        self._hopeless = set[str]()
        """What the copy has no better than the archive."""
        self.threads = [loop("archive copies", stopping, self.run_once)] if context.archive.copy else []

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def run_once(self) -> float:
        """Copy what lacks; the seconds until the next look."""
        archive = self._context.archive
        assert archive.copy is not None  # noqa: S101 - for the type checker
        try:
            self._bring_up_to_date(open_store(archive), open_store(archive.copy))
        except (ArchiveUnavailable, ObjectMissing) as error:
            log.error("the copy of the archive is behind: %s", error)
            self._tell(str(error))
        return _PERIOD_OF_DIRECTORIES if archive.is_directory and archive.copy.is_directory else _PERIOD

    def _bring_up_to_date(self, first: Store, second: Store) -> None:
        self._mend(first, second)
        have, copied = set(first.list()), set(second.list())
        missing = [name for name in _order(have - copied) if _is_whole(name, have)]
        for number, name in enumerate(missing):
            self._context.metrics.archive_copy_missing.set(len(missing) - number)
            self._tell("it is being brought up to date")
            if self._stopping.is_set():
                return
            _copy(first, second, name)
        self._look_at_others(first, second, have, sorted(copied - have))
        self._remove(second, copied | have)
        self._context.metrics.archive_copy_missing.set(0)
        self._whole_at, self._told = self._context.now(), False
        self._context.metrics.archive_copy_lag.set(0.0)

    def _look_at_others(self, first: Store, second: Store, have: set[str], others: Sequence[str]) -> None:
        """Of what the archive lacks, that comes back which the platform needs, and that goes which it needs no more."""
        joined = _list_joined(have, others)
        for name in others:
            with self._context.store.read() as connection:
                needed = False if name in joined else _is_needed(connection, name)
            if needed:
                self._put_back(first, second, name)
            elif needed is False:
                second.delete([name])

    def _mend(self, first: Store, second: Store) -> None:
        """Put back what readers have found damaged."""
        with self._context.store.read() as connection:
            found = [(name, _is_needed(connection, name)) for name in backups.list_damaged(connection)]
        for name, needed in found:
            if needed:
                self._put_back(first, second, name)
            with self._context.store.tx() as connection:
                backups.forget_damaged(connection, name)

    def _put_back(self, first: Store, second: Store, name: str) -> None:
        """From the copy, where that has it whole."""
        if name in self._hopeless:
            return
        key = key_of(self._context, name.partition("/")[0])
        try:
            _copy(second, first, name, partial(reading.checked, key, name))
        except (BackupDamaged, ObjectMissing) as error:
            log.error("the archive lacks %s, and so does its copy: %s", name, error)
            self._hopeless.add(name)
            return
        reason = f"the archive had lost {name}, or had it damaged: it is there again, from its copy"
        log.warning("%s", reason)
        with self._context.store.tx() as connection:
            record_for_admin(connection, EventType.ARCHIVE_MENDED, reason, self._context.now())

    def _remove(self, second: Store, copied: set[str]) -> None:
        """What was removed from the archive, and copies of the state that are too old."""
        with self._context.store.read() as connection:
            removed = backups.list_removed(connection)
        for prefix in removed:
            second.delete_all(prefix)
            with self._context.store.tx() as connection:
                backups.forget_removed(connection, prefix)
        own = f"{_STATES}/{self._context.box.fingerprint}/"
        for name in sorted(each for each in copied if each.startswith(own))[:-_STATES_KEPT]:
            second.delete_all(name.rpartition("/")[0])

    def _tell(self, reason: str) -> None:
        """An event once, when it lacks something for too long, and until it lacks nothing."""
        now = self._context.now()
        self._context.metrics.archive_copy_lag.set(max(0.0, now - self._whole_at))
        if now - self._whole_at > _BEHIND and not self._told:
            with self._context.store.tx() as connection:
                record_for_admin(connection, EventType.ARCHIVE_COPY_BEHIND, reason, now)
            self._told = True


def _is_needed(connection: Connection, name: str) -> bool | None:
    """Whether it belongs to a backup that there is, or to a part of a journal that is kept; None when nobody knows."""
    database_id, _, rest = name.partition("/")
    spans = [each for each in journals.list_for(connection, database_id) if name.startswith(f"{each.directory}/")]
    for piece in archived.parse([name]) if spans else []:
        if any(each.start <= piece.start and piece.end <= each.position for each in spans):
            return True
        return False if all(piece.end <= each.start for each in spans) else None
    found = backups.get(connection, rest.partition("/")[0])
    return True if found and found.status is BackupStatus.DONE and found.deleted_at is None else None


def _list_joined(have: Iterable[str], others: Sequence[str]) -> set[str]:
    """The pieces of journals among the others of which the archive has all in a longer one."""
    found = set[str]()
    for directory, names in groupby(others, lambda name: name.rpartition("/")[0]):
        own = archived.parse(each for each in have if each.rpartition("/")[0] == directory)
        for piece in archived.parse(names) if own else []:
            if any(each.start <= piece.start and piece.end <= each.end for each in own):
                found.add(piece.name)
    return found


def _order(names: Iterable[str]) -> list[str]:
    """The manifest of a backup after its data: without it there is none."""
    return sorted(names, key=lambda name: (name.rpartition("/")[0], name.endswith("/manifest"), name))


def _is_whole(name: str, have: set[str]) -> bool:
    """Data of a backup that has no manifest are being made, or of one that failed."""
    return not name.endswith("/data") or f"{name.removesuffix('/data')}/manifest" in have


def _copy(source: Store, target: Store, name: str, check: Callable[[Iterator[bytes]], Iterator[bytes]] = iter) -> None:
    """Read back; raises ArchiveUnavailable where that is not what was written, and what `check` does."""
    digest = hashlib.sha256()
    target.put(name, _noting(check(source.read(name)), digest.update))
    back = hashlib.sha256()
    for piece in target.read(name):
        back.update(piece)
    if back.digest() != digest.digest():
        raise ArchiveUnavailable(f"{name} was not read back as it was written")


def _noting(pieces: Iterable[bytes], note: Callable[[bytes], None]) -> Iterator[bytes]:
    for piece in pieces:
        note(piece)
        yield piece
