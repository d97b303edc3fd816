"""recover: the steps of a create with the data of a backup, for a database of which nothing else is left.

Its state was put back on a machine that has none of its servers: same id, name, password and users, another address.
Where the archive has the journal since the backup, all of it is replayed. What turns out to be damaged gives way: the
journal to the backup alone, and that to the next older one.
"""

from __future__ import annotations

from collections.abc import Sequence

from dbyard.model import Backup, BackupStatus, JournalSpan, Operation, OperationKind, VerificationState
from dbyard.operations import Context, Kind, Outcome, Save, Wait, create, jobs, moments, save_all, scratch
from dbyard.store import Connection, active_operations, backups, instances, journals, operations

_AT_ONCE = 2
_LOST = "its machine was lost"
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
    if used is None or primary is None:
        return stopped
    if used.verification.state is VerificationState.FAILED:
        other = best([each for each in others if each.created_at < used.created_at])
    else:
        other = used if moments.is_wanted(operation) and operation.step in moments.STEPS else None
    if other is None:
        return stopped
    context.runtime.cancel_job(jobs.job_id(operation))
    context.runtime.destroy(primary.id, primary.generation)
    now, is_alone = context.now(), other is used
    return save_all(stopped, lambda connection: ask(connection, primary.id, other, now, alone=is_alone))


KIND = Kind(
    steps={**create.KIND.steps, "restore": restore},
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


def ask(connection: Connection, instance_id: str, backup: Backup, now: float, *, alone: bool = False) -> None:
    """The instance, which has no place, is to get its data from that backup, and from its journal unless `alone`."""
    instances.set_lineage(connection, instance_id, backup.lineage)
    params: dict[str, object] = {"backup_id": backup.id}
    spans = [each for each in journals.list_for(connection, backup.database_id) if _goes_on(each, backup)]
    if spans and not alone:
        params |= {"until": now, "reach": spans[-1].read_at}
    journals.end_all(connection, instance_id, now, _LOST)
    operations.insert(connection, backup.database_id, OperationKind.RECOVER, now, params=params)


def _goes_on(span: JournalSpan, backup: Backup) -> bool:
    """Whether the journal has something that came after the backup."""
    is_its_own = (span.instance_id, span.journal) == (backup.instance_id, backup.journal)
    return (
        is_its_own and span.start <= (backup.position or 0) < span.position and span.read_at > (backup.finished_at or 0)
    )
