"""What stands in a binary log: events, each with a header that tells its length, and where the next one begins."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

HEADER = struct.Struct("<IBIIIH")
"""When it began in Unix seconds, its type, the server's id, its length, where it ends in its file, flags."""
MAGIC = b"\xfebin"
"""What each file begins with; it is no part of a journal, which is the events of all files."""
ROTATE = 4
_ARTIFICIAL = 0x20
_OF_FILES = (ROTATE, 15, 27, 41, 163)
"""Events that tell of files, or that one has no news: also without the flag those that end nowhere stand in none."""
_GTID_OF_MYSQL = (33, 34)
_GTID_OF_MARIADB = 162
_COMMITTED = HEADER.size + 42
"""Where MySQL tells the microsecond of the commit, in seven bytes of which the highest bit is a flag."""
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Event:
    """One event, as the server sends it."""

    at: int
    kind: int
    length: int
    end: int
    is_artificial: bool
    """Of the sending alone; it stands in no file."""


def parse(data: bytes | memoryview) -> Event:
    """The header; raises ValueError for what is none."""
    if len(data) < HEADER.size:
        raise ValueError("it has no header")
    at, kind, _, length, end, flags = HEADER.unpack_from(data)
    return Event(at, kind, length, end, bool(flags & _ARTIFICIAL) or (end == 0 and kind in _OF_FILES))


def split(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The events of a journal, which the pieces cut anywhere; raises ValueError where they make no sense."""
    left = bytearray()
    for piece in pieces:
        left += piece
        begin = 0
        while len(left) - begin >= HEADER.size:
            length = HEADER.unpack_from(left, begin)[3]
            if length < HEADER.size:
                raise ValueError(f"an event of {length} bytes")
            if len(left) - begin < length:
                break
            yield bytes(left[begin : begin + length])
            begin += length
        del left[:begin]
    if left:
        raise ValueError("it ends within an event")


def began_at(event: bytes) -> float | None:
    """Of the first event of a transaction the Unix time at which it was committed; None for any other event.

    MariaDB tells only to the second when the last statement of it began.
    """
    found = parse(event)
    if found.kind == _GTID_OF_MARIADB:
        return float(found.at)
    if found.kind not in _GTID_OF_MYSQL:
        return None
    told = int.from_bytes(event[_COMMITTED : _COMMITTED + 7], "little")
    return (told & ~(1 << 55)) / _MICROSECONDS
