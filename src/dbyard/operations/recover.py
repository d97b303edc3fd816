"""recover: the steps of a create with the data of a backup, for a database of which nothing else is left.

Its state was put back on a machine that has none of its servers: same id, name, password and users, another address.
A backup that turns out to be damaged gives way to the next older one.
"""

from __future__ import annotations

from collections.abc import Sequence

from dbyard.model import Backup, BackupStatus, Operation, OperationKind, VerificationState
from dbyard.operations import Context, Kind, Outcome, Save, Wait, create, jobs, save_all, scratch
from dbyard.store import Connection, active_operations, backups, instances, operations

_AT_ONCE = 2
_TURN_SECONDS = 2.0


def restore(context: Context, operation: Operation) -> Outcome:
    """A few at once: the archive and the disk have to serve all of them."""
    with context.store.read() as connection:
        ahead = active_operations.count_ahead(connection, operation)
    if ahead >= _AT_ONCE:
        return Wait(_TURN_SECONDS, f"{ahead} databases are recovered before it, {_AT_ONCE} at once", counts=False)
    return scratch.judging(create.restore)(context, operation)


def on_failure(context: Context, operation: Operation, reason: str) -> Save | None:
    """Where its backup was found to be damaged it begins anew with an older one."""
    with context.store.read() as connection:
        used = backups.get(connection, str(operation.params["backup_id"]))
        others = backups.list_for(connection, operation.database_id)
        primary = instances.get_primary(connection, operation.database_id)
    stopped = create.on_failure(context, operation, reason)
    if used is None or primary is None or used.verification.state is not VerificationState.FAILED:
        return stopped
    older = best([each for each in others if each.created_at < used.created_at])
    if older is None:
        return stopped
    context.runtime.cancel_job(jobs.job_id(operation))
    context.runtime.destroy(primary.id, primary.generation)
    now = context.now()
    return save_all(stopped, lambda connection: ask(connection, primary.id, older, now))


KIND = Kind(
    steps={"allocate": create.allocate, "restore": restore, "start": create.start, "configure": create.configure},
    on_failure=on_failure,
)


def best(found: Sequence[Backup]) -> Backup | None:
    """The newest that is proved, else the newest that is done and not known to be damaged. Newest first. Pure."""
    usable = [
        each
        for each in found
        if each.status is BackupStatus.DONE and each.verification.state is not VerificationState.FAILED
    ]
    proved = (each for each in usable if each.verification.state is VerificationState.VERIFIED)
    return next(proved, usable[0] if usable else None)


def ask(connection: Connection, instance_id: str, backup: Backup, now: float) -> None:
    """The instance, which has no place, is to get its data from that backup."""
    instances.set_lineage(connection, instance_id, backup.lineage)
    params = {"backup_id": backup.id}
    operations.insert(connection, backup.database_id, OperationKind.RECOVER, now, params=params)
