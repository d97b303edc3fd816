"""What the archive tells of a backup, beside its data: enough to restore it where nothing else is left.

The manifest is written last. Without one there is no backup, whatever else lies there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import msgspec

from dbyard.archive import objects, reading
from dbyard.archive.locations import Location
from dbyard.archive.stores import open_store
from dbyard.errors import ObjectMissing
from dbyard.model import Backup, BackupMethod, Verification, VerificationState


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
    project_id: str | None = None
    instance_id: str | None = None
    journal: str | None = None
    position: int | None = None
    users: Mapping[str, bool] = {}


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What the last proof of a backup found, as in its `Verification`."""

    state: str
    at: float | None
    seconds: float | None
    message: str | None


def write(location: Location, key: bytes, backup: Backup) -> None:
    values = asdict(backup)
    manifest = Manifest(**{name: values[name] for name in Manifest.__struct_fields__})
    _put(location, key, f"{backup.directory}/manifest", msgspec.json.encode(manifest))


def write_proof(location: Location, key: bytes, directory: str, found: Verification) -> None:
    """In the place of what an earlier proof found."""
    proof = Proof(state=found.state, at=found.at, seconds=found.seconds, message=found.message)
    _put(location, key, f"{directory}/proof", msgspec.json.encode(proof))


def list_backups(location: Location, database_id: str) -> Sequence[str]:
    """The ids of the backups of a database of which anything is in the archive, whole or not."""
    return open_store(location).list_directories(database_id)


def list_databases(location: Location) -> Sequence[str]:
    """The names of all directories of the archive, which are ids of databases and others."""
    return open_store(location).list_directories()


def read(location: Location, key: bytes, directory: str) -> Backup:
    """The backup as it was when it was made, with what its proof found since then.

    Raises ObjectMissing where there is none, BackupDamaged, ArchiveUnavailable.
    """
    found = msgspec.json.decode(_get(location, key, f"{directory}/manifest"), type=Manifest)
    values = {name: getattr(found, name) for name in Manifest.__struct_fields__}
    try:
        proof = msgspec.json.decode(_get(location, key, f"{directory}/proof"), type=Proof)
    except ObjectMissing:
        verification = Verification()
    else:
        verification = Verification(VerificationState(proof.state), proof.at, proof.seconds, proof.message)
    return Backup(**values | {"method": BackupMethod(found.method), "verification": verification})


def _put(location: Location, key: bytes, name: str, content: bytes) -> None:
    open_store(location).put(name, objects.pack(key, name, [content], objects.LEVEL))


def _get(location: Location, key: bytes, name: str) -> bytes:
    return b"".join(reading.read(location, key, name))
