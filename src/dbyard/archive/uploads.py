"""Dumps on their way into a database: sealed objects that go as soon as the import ends.

uploads/DATABASE/UPLOAD/data   as a client sent it; UPLOAD begins with the time, in milliseconds
"""

from __future__ import annotations

from collections.abc import Iterable

from dbyard.archive import objects
from dbyard.archive.locations import Location
from dbyard.archive.stores import open_store

DIRECTORY = "uploads"
LEVEL = 1
"""Of zstd: what is sent may be packed already, and is kept for minutes."""


def name_of(database_id: str, upload_id: str) -> str:
    return f"{_directory(database_id, upload_id)}/data"


def put(location: Location, key: bytes, database_id: str, upload_id: str, pieces: Iterable[bytes]) -> None:
    """An error of `pieces` leaves nothing. Raises ArchiveUnavailable."""
    name = name_of(database_id, upload_id)
    open_store(location).put(name, objects.pack(key, name, pieces, LEVEL))


def remove(location: Location, database_id: str, upload_id: str = "") -> None:
    """One upload, or all of a database; there may be none. Raises ArchiveUnavailable."""
    open_store(location).delete_all(_directory(database_id, upload_id))


def list_all(location: Location) -> list[tuple[str, str, float]]:
    """Database, upload and Unix time of each that is there, half written ones too. Raises ArchiveUnavailable."""
    store = open_store(location)
    found = []
    for database_id in store.list_directories(DIRECTORY):
        for upload_id in store.list_directories(f"{DIRECTORY}/{database_id}"):
            milliseconds = upload_id.partition("-")[0]
            found.append((database_id, upload_id, int(milliseconds) / 1000 if milliseconds.isdecimal() else 0.0))
    return found


def _directory(database_id: str, upload_id: str) -> str:
    return f"{DIRECTORY}/{database_id}/{upload_id}".rstrip("/")
