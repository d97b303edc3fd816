"""Backups on the wire."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from dbyard.model import DAY, Backup, Instance, VerificationState
from dbyard.model.times import to_datetime, to_datetime_or_none
from dbyard.service.databases.backups import Restoration, name_of
from dbyard.wire import backups as wire


def encode_all(found: Sequence[Backup]) -> wire.BackupsAnswer:
    return wire.BackupsAnswer([_backup(each) for each in found])


def encode(backup: Backup) -> wire.BackupAnswer:
    return wire.BackupAnswer(_backup(backup))


def encode_restoration(found: Restoration) -> wire.RestorationAnswer:
    last = found.last
    flat = wire.Restoration(
        id=found.operation.id,
        database_id=found.operation.database_id,
        source_backup_id=str(found.operation.params["backup_id"]),
        method="pitr" if "until" in found.operation.params else "backup",
        status=last.status,
        created_at=to_datetime(found.operation.created_at),
        started_at=to_datetime(found.operation.created_at),
        ended_at=to_datetime_or_none(last.finished_at),
        error=last.error,
    )
    return wire.RestorationAnswer(**structs.asdict(flat), backup_restoration=flat)


def encode_replaced(found: Sequence[Instance]) -> wire.ReplacedAnswer:
    times = [(each.id, each.retired_at or 0.0) for each in found]
    return wire.ReplacedAnswer([wire.Replaced(name, to_datetime(at), to_datetime(at + DAY)) for name, at in times])


def _backup(backup: Backup) -> wire.Backup:
    proof = backup.verification
    is_verified = proof.state is VerificationState.VERIFIED
    return wire.Backup(
        id=backup.id,
        name=name_of(backup),
        database_id=backup.database_id,
        method=backup.method,
        status=backup.status,
        created_at=to_datetime(backup.created_at),
        started_at=to_datetime_or_none(backup.started_at),
        finished_at=to_datetime_or_none(backup.finished_at),
        size=backup.size,
        stored_size=backup.stored,
        error=backup.error,
        server_version=backup.full_version,
        counts=dict(backup.counts),
        verified_at=to_datetime_or_none(proof.at) if is_verified else None,
        verification=wire.Verification(proof.state, proof.seconds, proof.message),
    )
