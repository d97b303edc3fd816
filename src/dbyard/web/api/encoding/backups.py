"""Backups of deleted databases on the wire."""

from __future__ import annotations

from collections.abc import Sequence

from dbyard.model import Backup
from dbyard.model.times import to_datetime
from dbyard.service.databases.backups import name_of
from dbyard.wire import backups as wire


def encode_deleted(found: Sequence[Backup]) -> wire.DeletedBackupsAnswer:
    return wire.DeletedBackupsAnswer([_deleted(each) for each in found])


def _deleted(backup: Backup) -> wire.DeletedBackup:
    proof = backup.verification
    return wire.DeletedBackup(
        id=backup.id,
        name=name_of(backup),
        database_id=backup.database_id,
        database_name=backup.database_name,
        technology=backup.technology,
        version=backup.version,
        plan=backup.plan,
        project_id=backup.project_id,
        created_at=to_datetime(backup.created_at),
        size=backup.size,
        verification=wire.Verification(proof.state, proof.seconds, proof.message),
    )
