"""The content of an object, from wherever it is whole: what the archive has damaged or lost, its copy serves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from itertools import chain

from dbyard.archive import objects
from dbyard.archive.locations import Location
from dbyard.archive.stores import Store, open_store
from dbyard.errors import ArchiveUnavailable, BackupDamaged, ObjectMissing

log = logging.getLogger(__name__)


def warn(name: str) -> None:
    log.warning("the archive has %s damaged, or not any more: its copy serves it", name)


def read(
    location: Location, key: bytes, name: str, level: int = objects.LEVEL, note: Callable[[str], None] = warn
) -> Iterator[bytes]:
    """What was packed. `note` gets the name of an object that the copy has to serve.

    Raises ObjectMissing and BackupDamaged as the archive does where the copy is no better, ArchiveUnavailable.
    """
    plain = _unseal(location, key, name, note)
    return objects.decompress(plain, name) if level else plain


def checked(key: bytes, name: str, stored: Iterator[bytes]) -> Iterator[bytes]:
    """The bytes of an object as they are; raises BackupDamaged before the end of one that is not whole."""
    held: list[bytes] = []

    def noting() -> Iterator[bytes]:
        for piece in stored:
            held.append(piece)
            yield piece

    for _ in objects.unseal(key, name, noting()):
        yield from held
        held.clear()
    yield from held


def _unseal(location: Location, key: bytes, name: str, note: Callable[[str], None]) -> Iterator[bytes]:
    first, number = open_store(location), 0
    try:
        for chunk in objects.unseal(key, name, first.read(name)):
            yield chunk
            number += 1
        return
    except (BackupDamaged, ObjectMissing) as error:
        if location.copy is None:
            raise
        wrong = error
    try:
        chunks = _go_on(first, open_store(location.copy), key, name, number)
        chunk = next(chunks)  # every object has one
        note(name)
        yield chunk
        yield from chunks
    except (BackupDamaged, ObjectMissing) as error:
        raise wrong from error
    except ArchiveUnavailable as error:
        raise ArchiveUnavailable(f"{wrong}; its copy does not serve: {error}") from error


def _go_on(first: Store, second: Store, key: bytes, name: str, number: int) -> Iterator[bytes]:
    """The chunks from that number on, if it is the object that was begun."""
    head = b"".join(second.read(name, 0, objects.HEADER))
    if number and head != b"".join(first.read(name, 0, objects.HEADER)):
        raise BackupDamaged(f"the copy has another {name}")
    rest = second.read(name, objects.HEADER + number * (objects.CHUNK + objects.TAG))
    return objects.unseal(key, name, chain([head], rest), number)
