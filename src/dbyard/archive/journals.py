"""A journal in the archive: objects that continue one another, each named by what it holds.

    DATABASE/journal/INSTANCE/JOURNAL/START-END-TIME   positions in hexadecimal, the time in milliseconds

An object that was put and not recorded, because the platform was killed, is followed by one that begins where it does
and goes further: of those that begin alike the longest counts. So many small ones are joined by one more object, and
are removed later.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from dbyard.archive import objects, reading
from dbyard.archive.locations import Location
from dbyard.archive.stores import Store, open_store
from dbyard.errors import ArchiveUnavailable, BackupDamaged, ObjectMissing

LEVEL = objects.LEVEL
_NAME = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})-([0-9]{1,15})")
_AT_ONCE, _SMALL = 8, 8 << 20
"""Objects that are fetched ahead, and their bytes at most."""
_NOTHING: Future[list[bytes]] = Future()
_LEAST_JOINED, _MOST_JOINED = 30, 64 << 20
"""How many objects make it worth to join them, and the bytes of what they are joined to."""
_SETTLES = 1.0
"""Seconds by which a commit may tell an earlier time than that at which it was durable."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A journal from `start` up to `end`; what was committed before the Unix time `at` is before that."""

    name: str
    start: int
    end: int
    at: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a restore to the Unix time `until` needs of a journal: from the position `start` on.

    `reach` is the time up to which the archive must have it, because it had it.
    """

    start: int
    until: float
    reach: float


def name_of(directory: str, start: int, end: int, at: float) -> str:
    return f"{directory}/{start:016x}-{end:016x}-{round(at * 1000)}"


def to_milliseconds(at: float) -> int:
    """A time as a name can tell it: never later than it was."""
    return math.floor(at * 1000)


def put(store: Store, key: bytes, name: str, pieces: Iterable[bytes]) -> None:
    store.put(name, objects.pack(key, name, pieces, LEVEL))


def list_pieces(location: Location, directory: str) -> list[Piece]:
    """All that the archive has of a journal, in order, and what its copy has, which is read where the archive lost it.

    A copy that is gone is left out.
    """
    names = set(open_store(location).list(directory))
    if location.copy is not None:
        with suppress(ArchiveUnavailable):
            names.update(open_store(location.copy).list(directory))
    return parse(names)


def parse(names: Iterable[str]) -> list[Piece]:
    """What the names of objects tell; of those that begin alike the longest comes first. Pure."""
    found = [(name, _NAME.fullmatch(name.rpartition("/")[2])) for name in names]
    pieces = [Piece(name, int(it[1], 16), int(it[2], 16), int(it[3]) / 1000) for name, it in found if it]
    return sorted(pieces, key=lambda each: (each.start, -each.end))


def chain(pieces: Sequence[Piece], start: int) -> Iterator[Piece]:
    """Those that continue one another from the position on, as far as nothing is missing. Pure."""
    position = start
    for each in pieces:
        if each.start > position:
            return
        if each.end > position:
            yield each
            position = each.end


def select(pieces: Sequence[Piece], wanted: Stretch) -> list[Piece]:
    """The pieces of a stretch; raises ObjectMissing where one is not there. Pure."""
    found: list[Piece] = []
    for each in chain(pieces, wanted.start):
        found.append(each)
        if each.at >= wanted.until + _SETTLES:
            break
    if not found or found[-1].at < min(wanted.reach, wanted.until):
        raise ObjectMissing(_describe_gap(pieces, found, wanted.start))
    return found


def runs(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """Those that continue one another, of a journal that may have gaps. Pure."""
    found: list[list[Piece]] = []
    for each in pieces:
        if found and each.start <= found[-1][-1].end < each.end:
            found[-1].append(each)
        elif not found or each.start > found[-1][-1].end:
            found.append([each])
    return found


def read(
    location: Location, key: bytes, pieces: Sequence[Piece], start: int, note: Callable[[str], None] = reading.warn
) -> Iterator[bytes]:
    """The bytes of the journal from the position on; `note` and what is raised are those of `reading.read`."""
    position = start
    for each, content in _fetch_ahead(pieces, lambda name: reading.read(location, key, name, LEVEL, note)):
        skipped = position - each.start
        for plain in content:
            yield plain[skipped:]
            skipped = max(skipped - len(plain), 0)
        position = each.end


def list_joins(pieces: Sequence[Piece], before: float) -> list[list[Piece]]:
    """Those of before that time, many of which continue one another and can be one object. Pure."""
    found: list[list[Piece]] = []
    for run in runs(pieces):
        group: list[Piece] = []
        for each in (each for each in run if each.at < before):
            if group and each.end - group[0].start > _MOST_JOINED:
                found.append(group)
                group = []
            group.append(each)
        found.append(group)
    return [group for group in found if len(group) >= _LEAST_JOINED]


def join(location: Location, key: bytes, directory: str, pieces: Sequence[Piece]) -> None:
    """Put one object with all that these have, which is read back; they stay. Raises as `read`."""
    first, last, store = pieces[0], pieces[-1], open_store(location)
    name, digest = name_of(directory, first.start, last.end, last.at), hashlib.sha256()

    def noted() -> Iterator[bytes]:
        size = 0
        for plain in read(location, key, pieces, first.start):
            size += len(plain)
            digest.update(plain)
            yield plain
        if size != last.end - first.start:  # its end would be taken for that of another position
            raise BackupDamaged(f"{first.name} and those after it have {size} bytes: they are not joined")

    put(store, key, name, noted())
    back = hashlib.sha256()
    for plain in objects.unpack(key, name, store.read(name), LEVEL):
        back.update(plain)
    if back.digest() != digest.digest():
        store.delete([name])
        raise ArchiveUnavailable(f"{name} was not read back as it was written")


def list_covered(pieces: Sequence[Piece], before: float) -> list[Piece]:
    """Those all of which a longer one has, that ends before that time. Pure."""
    found: list[Piece] = []
    longest: Piece | None = None
    for each in pieces:
        if longest is None or each.end > longest.end:
            longest = each
        elif longest.at < before:
            found.append(each)
    return found


def _fetch_ahead(
    pieces: Sequence[Piece], fetch: Callable[[str], Iterable[bytes]]
) -> Iterator[tuple[Piece, Iterable[bytes]]]:
    """Small objects before they are wanted, a few at once: a bucket takes its time for each."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        coming: deque[Future[list[bytes]]] = deque()
        asked = 0
        for number, each in enumerate(pieces):
            while asked < len(pieces) and asked < number + _AT_ONCE:
                it = pieces[asked]
                is_small = it.end - it.start <= _SMALL
                coming.append(pool.submit(lambda name: list(fetch(name)), it.name) if is_small else _NOTHING)
                asked += 1
            content = coming.popleft()
            yield each, fetch(each.name) if content is _NOTHING else content.result()


def _describe_gap(pieces: Sequence[Piece], found: Sequence[Piece], start: int) -> str:
    end = found[-1].end if found else start
    after = next((each for each in pieces if each.start > end), None)
    goes_on = f"; it goes on with {after.name}" if after else ""
    return f"the archive lacks the journal from the position {end:x} on{goes_on}"
