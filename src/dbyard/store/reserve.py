"""Room on the disk that is set aside for the platform itself: on a full disk a delete can still be asked for and done.

The state's own files are made larger than they need to be, so that writing them takes no block that a tenant may have
taken. Whatever else has to be written (at a start, for one) has the reserve file, which is given back for it.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

_MIB = 1024 * 1024
_LEAST, _MOST, _SHARE = 4 * _MIB, 64 * _MIB, 100
"""The size of the reserve file: a hundredth of the file system, between these."""
_SPARE_TIMES = 4
"""It is set aside only where there is so many times as much."""
_PAGES_BYTES, _LOG_BYTES = 4 * _MIB, 8 * _MIB
_KEEP_SIZE = 1  # FALLOC_FL_KEEP_SIZE
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Reserve:
    """The reserve file of a home."""

    path: Path

    def ensure(self) -> None:
        """Set it aside where there is room to spare; repeating is free."""
        space = os.statvfs(self.path.parent)
        size = min(max(space.f_frsize * space.f_blocks // _SHARE, _LEAST), _MOST)
        if space.f_frsize * space.f_bavail < _SPARE_TIMES * size or self._has(size):
            return
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as error:
            self.path.unlink(missing_ok=True)
            log.warning("no reserve can be set aside: %s", error)
        finally:
            os.close(fd)

    def give_back(self) -> bool:
        """Whether there was one. On a disk that cannot be written it stays."""
        try:
            self.path.unlink()
        except OSError:
            return False
        log.error("the disk is full: the reserve of %s is given back, delete what is not needed", self.path.parent)
        return True

    def give_back_if_full(self) -> None:
        space = os.statvfs(self.path.parent)
        if space.f_frsize * space.f_bavail < _LEAST:
            self.give_back()

    def _has(self, size: int) -> bool:
        return self.path.exists() and self.path.stat().st_size >= size


def extend_state(path: Path, writer: sqlite3.Connection) -> None:
    """Keep free pages in the state file, and blocks behind the end of its log. Repeating is free.

    To be called under the store's lock. What does not fit now is left for the next time.
    """
    (page,), (free,) = writer.execute("PRAGMA page_size").fetchone(), writer.execute("PRAGMA freelist_count").fetchone()
    if page * free < _PAGES_BYTES // 2:
        writer.execute("DROP TABLE IF EXISTS reserve")  # of a process that was killed here
        writer.execute("CREATE TABLE reserve (room BLOB)")
        try:
            writer.execute("INSERT INTO reserve VALUES (zeroblob(?))", (_PAGES_BYTES,))
        finally:
            writer.execute("DROP TABLE reserve")
    _extend(path.with_name(f"{path.name}-wal"))


def _extend(path: Path) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        size = os.fstat(fd)
        if size.st_blocks * 512 < _LOG_BYTES:
            failed = _LIBC.fallocate(fd, _KEEP_SIZE, ctypes.c_longlong(0), ctypes.c_longlong(_LOG_BYTES))
            if failed:
                log.info("no room is set aside for %s: %s", path, os.strerror(ctypes.get_errno()))
    finally:
        os.close(fd)
