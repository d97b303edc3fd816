"""A journal in the archive: objects that continue one another, each named by what it holds.

    DATABASE/journal/INSTANCE/JOURNAL/START-END-TIME   positions in hexadecimal, the time in milliseconds

An object that was put and not recorded, because the platform was killed, is followed by one that begins where it does
and goes further: of those that begin alike the longest counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from dbyard.archive import objects, reading
from dbyard.archive.locations import Location
from dbyard.archive.stores import Store, open_store
from dbyard.errors import ArchiveUnavailable, ObjectMissing

LEVEL = objects.LEVEL
_NAME = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})-([0-9]{1,15})")
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
    for each in pieces:
        skipped = position - each.start
        for plain in reading.read(location, key, each.name, LEVEL, note):
            yield plain[skipped:]
            skipped = max(skipped - len(plain), 0)
        position = each.end


def _describe_gap(pieces: Sequence[Piece], found: Sequence[Piece], start: int) -> str:
    end = found[-1].end if found else start
    after = next((each for each in pieces if each.start > end), None)
    goes_on = f"; it goes on with {after.name}" if after else ""
    return f"the archive lacks the journal from the position {end:x} on{goes_on}"
