"""What the archive tells of a backup, beside its data: enough to restore it where nothing else is left.

The manifest is written last. Without one there is no backup, whatever else lies there.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from dbyard.archive import objects
from dbyard.archive.locations import Location
from dbyard.archive.stores import open_store


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a `Backup`; times are Unix time, sizes bytes, `sha256` is that of the object `data`."""

    id: str
    database_id: str
    database_name: str
    technology: str
    version: str
    full_version: str
    plan: str
    lineage: str
    username: str
    dbname: str
    method: str
    created_at: float
    started_at: float
    finished_at: float
    size: int
    stored: int
    sha256: str
    counts: Mapping[str, int]


def name_of(directory: str) -> str:
    """The object's name, below the directory of its backup."""
    return f"{directory}/manifest"


def write(location: Location, key: bytes, directory: str, manifest: Manifest) -> None:
    name = name_of(directory)
    open_store(location).put(name, objects.pack(key, name, [msgspec.json.encode(manifest)], objects.LEVEL))
