"""backup: begin -> run -> record. What the server's own tool writes goes into the archive while the server serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace

import msgspec

from dbyard.archive import manifests
from dbyard.archive.manifests import Manifest
from dbyard.archive.stores import open_store
from dbyard.archive.transfer import Order, Receipt
from dbyard.engines import Backups
from dbyard.errors import ArchiveUnavailable, PermanentError
from dbyard.model import Backup, Count, JobState, Operation, OperationKind, Transfer
from dbyard.operations import Context, Done, Kind, Next, Outcome, Save, Wait, jobs
from dbyard.operations.target import Target, address_of, credentials_of, layout_of, load
from dbyard.store import Connection, backups, operations

_AT_ONCE = 2
_TURN_SECONDS = 2.0


def begin(context: Context, operation: Operation) -> Outcome:
    """Count what is there, once it is this backup's turn."""
    if waiting := wait_for_turn(context, operation, _AT_ONCE):
        return waiting
    target, backup = load(context, operation), backup_of(context, operation)
    counts = engine_of(target).count(address_of(context, target), credentials_of(context, target))
    now = context.now()
    return Next(
        "run",
        lambda connection: backups.set_started(connection, backup.id, now, target.instance.full_version),
        result={"counts": {name: asdict(each) for name, each in counts.items()}},
    )


def run(context: Context, operation: Operation) -> Outcome:
    target, backup = load(context, operation), backup_of(context, operation)
    tool = engine_of(target).render_backup(layout_of(context, target), credentials_of(context, target))
    total = context.runtime.disk_used(target.instance.id)
    transfer = Transfer("put", order_of(context, backup, total))
    found = jobs.await_job(context, jobs.spec_of(context, operation, target, tool, transfer))
    if isinstance(found, Wait):
        return found
    return Next("record", result={"receipt": msgspec.json.decode(found.result)})


def record(context: Context, operation: Operation) -> Outcome:
    """The manifest comes last; then a proof is asked for."""
    target, backup = load(context, operation), backup_of(context, operation)
    receipt = msgspec.convert(operation.result["receipt"], Receipt)
    before = msgspec.convert(operation.result["counts"], dict[str, Count])
    after = engine_of(target).count(address_of(context, target), credentials_of(context, target))
    now = context.now()
    made = replace(
        backup,
        finished_at=now,
        size=receipt.bytes,
        stored=receipt.stored,
        sha256=receipt.sha256,
        counts=unchanged(before, after),
    )
    manifests.write(context.archive, key_of(context, made.database_id), made.directory, _manifest(made))
    cancel_job(context, operation)
    return Done(lambda connection: _save_made(connection, made))


def on_failure(context: Context, operation: Operation, reason: str) -> Save | None:
    """Nothing is left of it in the archive; where that does not serve now, the reconciler removes it later."""
    cancel_job(context, operation)
    backup = backup_of(context, operation)
    try:
        open_store(context.archive).delete_all(backup.directory)
    except ArchiveUnavailable as error:
        reason = f"{reason}; {error}"
    return lambda connection: backups.fail(connection, backup.id, reason)


KIND = Kind(steps={"begin": begin, "run": run, "record": record}, on_failure=on_failure)


# ---- also of the other kinds that work on a backup --------------------------------------------------------------


def wait_for_turn(context: Context, operation: Operation, at_once: int) -> Wait | None:
    """None when it is this operation's turn among those of its kind: so many at once, the oldest first."""
    with context.store.read() as connection:
        before = operations.count_older(connection, operation)
    if before < at_once:
        return None
    return Wait(_TURN_SECONDS, f"{before} of its kind come before it, {at_once} at once", counts=False)


def backup_of(context: Context, operation: Operation) -> Backup:
    """Raises PermanentError when the backup was deleted meanwhile."""
    backup_id = str(operation.params["backup_id"])
    with context.store.read() as connection:
        found = backups.get(connection, backup_id)
    if found is None:
        raise PermanentError(f"the backup {backup_id} is not there any more", code="backup_deleted")
    return found


def engine_of(target: Target) -> Backups:
    """Raises PermanentError where the technology has no backups."""
    if not isinstance(target.engine, Backups):
        raise PermanentError(f"there are no backups of {target.technology.name}", code="no_backups")
    return target.engine


def key_of(context: Context, database_id: str) -> bytes:
    """What seals the objects of one database. It follows from the master key: it is not lost with a state."""
    return context.box.derive_key("archive", database_id)


def order_of(context: Context, backup: Backup, total: int | None) -> str:
    """What the transfer of the backup's data is told."""
    order = Order(location=context.archive, name=backup.data, key=key_of(context, backup.database_id), total=total)
    return msgspec.json.encode(order).decode()


def restore_into(context: Context, operation: Operation, target: Target, backup: Backup) -> Wait | JobState:
    """Fill the data directory of an instance that never ran; raises as `await_job` does."""
    tool = engine_of(target).render_restore(layout_of(context, target))
    transfer = Transfer("get", order_of(context, backup, backup.size))
    return jobs.await_job(context, jobs.spec_of(context, operation, target, tool, transfer))


def unchanged(before: Mapping[str, Count], after: Mapping[str, Count]) -> dict[str, int]:
    """What was not written to between the two: a restored server must have as many. Pure."""
    return {name: each.number for name, each in before.items() if after.get(name) == each}


def cancel_job(context: Context, operation: Operation) -> None:
    context.runtime.cancel_job(jobs.job_id(replace(operation, step="run")))


def _save_made(connection: Connection, backup: Backup) -> None:
    backups.finish(connection, backup)
    params, now = {"backup_id": backup.id}, backup.finished_at or 0.0
    operations.insert(connection, backup.database_id, OperationKind.VERIFY_BACKUP, now, params=params)


def _manifest(backup: Backup) -> Manifest:
    values = asdict(backup)
    return Manifest(**{name: values[name] for name in Manifest.__struct_fields__})
