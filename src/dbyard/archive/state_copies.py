"""Copies of a platform's own state: what a home needs beside its instances, as one stream of bytes.

    line of JSON (names and sizes), then the files one after the other

In an archive a copy is the object `platform/FINGERPRINT/TIME/state`, sealed by a key that follows from the master key,
whose fingerprint is in the name: several platforms may have one archive. `dbyard state backup` seals one by a
passphrase.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from dbyard import secrets
from dbyard.archive import objects
from dbyard.archive.locations import Location
from dbyard.archive.reading import read
from dbyard.archive.stores import open_store
from dbyard.errors import BackupDamaged, ConfigError
from dbyard.model import DAY
from dbyard.secrets import Box
from dbyard.store import Connection, check_whole, copy, open_readonly

STATE = "state/dbyard.db"
KEY = "master.key"
_BESIDE = ("ca/ca.crt", "ca/ca.key", "admin-token")
_NAMES = (STATE, KEY, *_BESIDE)
_KEPT = 7
_TIME = "%Y%m%dT%H%M%SZ"
_PIECE = 1 << 20
_LONGEST_INDEX = 4096
_LEFT_SECONDS = 3600.0


class _Index(msgspec.Struct, frozen=True):
    files: list[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class StateArchive:
    """The copies of one platform in its archive."""

    location: Location
    box: Box

    def put(self, home: Path, source: Connection, now: float) -> str:
        """Copy the state of the home, read it back, and remove copies that are too old; the name of the copy.

        Raises ArchiveUnavailable, BackupDamaged when it is not read back, OSError and sqlite3.Error.
        """
        store, name = open_store(self.location), f"{self._directory}/{_stamp(now)}/state"
        with copied(home, source) as state:
            store.put(name, objects.pack(self._key, name, pack(home, state), objects.LEVEL))
        for _ in objects.unpack(self._key, name, store.read(name), objects.LEVEL):
            pass
        for old in self.list()[:-_KEPT]:
            store.delete_all(str(Path(old).parent))
        return name

    def list(self) -> list[str]:
        """The names of all copies, the oldest first."""
        return [name for name in open_store(self.location).list(self._directory) if name.endswith("/state")]

    def last_at(self, now: float) -> float | None:
        """When the newest copy was made; those that a clock which was wrong has put into the future do not count."""
        times = [time_of(name) for name in self.list()]
        return max((each for each in times if each <= now + DAY), default=None)

    def get(self, name: str, into: Path) -> None:
        """Write the files of a copy below a directory. Raises ArchiveUnavailable, BackupDamaged, ObjectMissing."""
        unpack(read(self.location, self._key, name), into)

    @property
    def _directory(self) -> str:
        return f"platform/{self.box.fingerprint}"

    @property
    def _key(self) -> bytes:
        return self.box.derive_key("archive", "platform")


def time_of(name: str) -> float:
    """When the copy of that name was made."""
    return datetime.strptime(Path(name).parent.name, _TIME).replace(tzinfo=UTC).timestamp()


@contextmanager
def copied(home: Path, source: Connection) -> Iterator[Path]:
    """A file with a copy of the state as of one moment, while it is read and written; it is gone afterwards."""
    for left in (home / "state").glob(".copy-*"):  # by one that was killed
        if left.stat().st_mtime < time.time() - _LEFT_SECONDS:
            left.unlink(missing_ok=True)
    with tempfile.NamedTemporaryFile(dir=home / "state", prefix=".copy-") as file:
        copy(source, Path(file.name))
        yield Path(file.name)


@contextmanager
def reading(home: Path) -> Iterator[Connection]:
    """The state of a home that another process may serve, for a copy. Raises ConfigError when that fails."""
    path = home / STATE
    if not path.exists():
        raise ConfigError(f"there is no platform in {home}: name its home with --home")
    try:
        with open_readonly(path) as source:
            yield source
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(f"the state of {home} cannot be copied: {error}") from error


def copy_whole(source: Connection, path: Path) -> None:
    """A copy at `path` of a state that is whole. Raises ConfigError when a part of it is damaged, sqlite3.Error."""
    check_whole(source)
    copy(source, path)


def pack(home: Path, state: Path, *, with_key: bool = False) -> Iterator[bytes]:
    """The copy of the state, and the files of the home that belong to it; the master key only if that is asked for."""
    names = [name for name in (*([KEY] if with_key else []), *_BESIDE) if (home / name).exists()]
    paths = {STATE: state} | {name: home / name for name in names}
    sizes = {name: path.stat().st_size for name, path in paths.items()}
    yield msgspec.json.encode(_Index(list(sizes.items()))) + b"\n"
    for name, path in paths.items():
        with path.open("rb") as file:
            yield from _take(_pieces(file), sizes[name], name)


def unpack(pieces: Iterable[bytes], into: Path) -> None:
    """Write the files below a directory that is made anew, for their owner alone. Raises BackupDamaged."""
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir(mode=0o700, parents=True)
    rest = iter(pieces)
    line, begun = _first_line(rest)
    try:
        index = msgspec.json.decode(line, type=_Index)
    except msgspec.MsgspecError as error:
        raise BackupDamaged(f"this is no copy of a platform's state: {error}") from error
    source = _Source(begun, rest)
    for name, size in index.files:
        if name not in _NAMES:
            raise BackupDamaged(f"a copy of a platform's state has no {name}")
        (into / name).parent.mkdir(mode=0o700, exist_ok=True)
        secrets.write_secret_pieces(into / name, source.take(size, name))
    if not (into / STATE).exists():
        raise BackupDamaged("the copy has no state")
    with open_readonly(into / STATE) as connection:
        check_whole(connection)


def install(home: Path, staged: Path, now: float) -> Path | None:
    """Put unpacked files into a home that nobody serves; returns where the state is kept that was there.

    What belongs to servers that are there already stays: the master key, which must be the same, and the authority.
    The state comes last: a home without it is not served. Killed at any instant, the same call with the same files
    ends it. Raises ConfigError.
    """
    _install_key(home, staged)
    if (staged / "ca").exists() and not (home / "ca").exists():
        (staged / "ca").chmod(0o755)
        (staged / "ca" / "ca.crt").chmod(0o644)
        (staged / "ca").rename(home / "ca")
    if (staged / "admin-token").exists():
        (staged / "admin-token").rename(home / "admin-token")
    aside: Path | None = None
    if (home / "state").exists():
        aside = home / f"state.before-{_stamp(now)}"
        (home / "state").rename(aside)
    (staged / "state").rename(home / "state")
    secrets.sync_directory(home)
    shutil.rmtree(staged)
    return aside


def _install_key(home: Path, staged: Path) -> None:
    given, own = staged / KEY, home / KEY
    if own.exists():
        if given.exists() and given.read_bytes() != own.read_bytes():
            raise ConfigError(f"the copy is of a platform with another master key than {own}: nothing was changed")
    elif given.exists():
        given.rename(own)
    else:
        raise ConfigError(f"{home} has no master key: `dbyard key import` puts it there")


class _Source:
    """Pieces, of which an exact number of bytes is taken."""

    def __init__(self, begun: bytes, rest: Iterator[bytes]) -> None:
        self._held, self._rest = begun, rest

    def take(self, size: int, name: str) -> Iterator[bytes]:
        while size:
            piece = self._held or next(self._rest, b"")
            if not piece:
                raise BackupDamaged(f"the copy ends within {name}")
            given, self._held = piece[:size], piece[size:]
            size -= len(given)
            yield given


def _take(pieces: Iterator[bytes], size: int, name: str) -> Iterator[bytes]:
    return _Source(b"", pieces).take(size, name)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.read(_PIECE), b"")


def _first_line(pieces: Iterator[bytes]) -> tuple[bytes, bytes]:
    """The line, and what was read beyond it."""
    held = b""
    while b"\n" not in held and len(held) < _LONGEST_INDEX and (piece := next(pieces, b"")):
        held += piece
    line, _, rest = held.partition(b"\n")
    return line, rest


def _stamp(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).strftime(_TIME)
