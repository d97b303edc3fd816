"""backup: begin -> run -> record. What the server's own tool writes goes into the archive while the server serves."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, replace

import msgspec

from dbyard.archive import manifests, reading
from dbyard.archive.journals import to_milliseconds
from dbyard.archive.stores import open_store
from dbyard.archive.transfer import Delivery, Order, Receipt
from dbyard.engines import Backups, Journals, Reload
from dbyard.errors import ArchiveUnavailable, PermanentError
from dbyard.model import (
    MIB,
    OPERATIONS,
    Backup,
    Count,
    Instance,
    JobSpec,
    JobState,
    JournalMark,
    Operation,
    OperationKind,
    Transfer,
    Verification,
)
from dbyard.operations import Context, Done, Kind, Next, Outcome, Save, Wait, jobs
from dbyard.operations.target import Target, address_of, credentials_of, layout_of, load, release_of, render
from dbyard.store import Connection, active_operations, backups, journals, operations

log = logging.getLogger(__name__)

_AT_ONCE = 2
_GIB = 1024 * MIB
_TURN_SECONDS = 2.0


def begin(context: Context, operation: Operation) -> Outcome:
    """Count what is there, once it is this backup's turn."""
    if waiting := wait_for_turn(context, operation, _AT_ONCE):
        return waiting
    target, backup = load(context, operation), backup_of(context, operation)
    engine, address, credentials = engine_of(target), address_of(context, target), credentials_of(context, target)
    mark = _keep_journal(context, target)
    counts = engine.count(address, credentials)
    now = to_milliseconds(context.now()) / 1000
    return Next(
        "run",
        lambda connection: _save_begun(connection, backup, target.instance, mark, now),
        result={
            "counts": {name: asdict(each) for name, each in counts.items()},
            "used": context.runtime.disk_used(target.instance.id),
        },
    )


def run(context: Context, operation: Operation) -> Outcome:
    target, backup = load(context, operation), backup_of(context, operation)
    tool = engine_of(target).render_backup(layout_of(context, target), credentials_of(context, target))
    used = int(str(operation.result["used"]))
    transfer = Transfer("put", order_of(context, backup, used, _most(used)))
    found = jobs.await_job(context, jobs.spec_of(context, operation, target, tool, transfer))
    if isinstance(found, Wait):
        return found
    return Next("record", result={"receipt": msgspec.json.decode(found.result), "copied_at": context.now()})


def record(context: Context, operation: Operation) -> Outcome:
    """The manifest comes last; then a proof is asked for."""
    target, backup = load(context, operation), backup_of(context, operation)
    receipt = msgspec.convert(operation.result["receipt"], Receipt)
    before = msgspec.convert(operation.result["counts"], dict[str, Count])
    after = engine_of(target).count(address_of(context, target), credentials_of(context, target))
    now = context.now()
    delay = engine_of(target).COUNT_DELAY
    settled_at = float(str(operation.result["copied_at"])) + delay
    if now < settled_at and not is_certain(before, after):
        return Wait(min(settled_at - now, delay), "what was written meanwhile is not counted yet")
    made = replace(
        backup,
        finished_at=now,
        size=receipt.bytes,
        stored=receipt.stored,
        sha256=receipt.sha256,
        counts=unchanged(before, after),
        users={each.name: each.read_only for each in target.users},
    )
    manifests.write(context.archive, key_of(context, made.database_id), made)
    cancel_job(context, operation)
    # What was counted stands with the backup, and need not in the operation's event as well.
    return Done(lambda connection: _save_made(connection, made), result={"counts": {}})


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
    """None when so many of its kind may be at work at once, and fewer are. One that only waits is no obstacle."""
    with context.store.read() as connection:
        active = active_operations.count_begun(connection, operation.kind, OPERATIONS[operation.kind].first_step)
    if active < at_once:
        return None
    return Wait(_TURN_SECONDS, f"{active} of its kind are at work, {at_once} at once", counts=False)


def backup_of(context: Context, operation: Operation) -> Backup:
    """Raises PermanentError when the backup was deleted meanwhile."""
    backup_id = str(operation.params["backup_id"])
    with context.store.read() as connection:
        found = backups.get(connection, backup_id)
    if found is None or found.deleted_at is not None:
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


def order_of(context: Context, backup: Backup, total: int | None, most: int | None = None) -> str:
    """What the transfer of the backup's data is told."""
    key = key_of(context, backup.database_id)
    order = Order(location=context.archive, name=backup.data, key=key, total=total, most=most)
    return msgspec.json.encode(order).decode()


def note_proof(context: Context, backup: Backup, found: Verification) -> None:
    """Let the archive know what a proof found, for who has nothing else; where it does not serve, the state knows."""
    try:
        manifests.write_proof(context.archive, key_of(context, backup.database_id), backup.directory, found)
    except ArchiveUnavailable as error:
        log.warning("the archive does not know what the proof of backup %s found: %s", backup.id, error)


def restore_into(context: Context, operation: Operation, target: Target, backup: Backup) -> Wait | JobState:
    """Fill the data directory of an instance that never ran; raises as `await_job` does."""
    tool = engine_of(target).render_restore(layout_of(context, target))
    transfer = Transfer("get", order_of(context, backup, backup.size))
    return await_delivery(context, jobs.spec_of(context, operation, target, tool, transfer))


def await_delivery(context: Context, spec: JobSpec) -> Wait | JobState:
    """As `await_job`; what had to come from the copy of the archive will be put back."""
    found = jobs.await_job(context, spec)
    damaged = msgspec.json.decode(found.result, type=Delivery).damaged if isinstance(found, JobState) else []
    for name in damaged:
        reading.warn(name)
        with context.store.tx() as connection:
            backups.note_damaged(connection, name, context.now())
    return found


def unchanged(before: Mapping[str, Count], after: Mapping[str, Count]) -> dict[str, int]:
    """What was not written to between the two: a restored server must have as many. Pure."""
    return {
        name: each.number
        for name, each in before.items()
        if each.number and name in after and _is_same(each, after[name])
    }


def is_certain(before: Mapping[str, Count], after: Mapping[str, Count]) -> bool:
    """Whether what seems not to be written to was not: servers tell of some writes only seconds later. Pure."""
    seeming = [(each, after[name]) for name, each in before.items() if name in after and _is_same(each, after[name])]
    return all(one.mark == other.mark != 0 for one, other in seeming)


def _is_same(one: Count, other: Count) -> bool:
    return (one.number, one.changes) == (other.number, other.changes)


def _most(used: int) -> int:
    """A backup may have so many bytes for a server that takes `used` on disk: its log grows meanwhile."""
    return 2 * used + 4 * _GIB


def cancel_job(context: Context, operation: Operation) -> None:
    context.runtime.cancel_job(jobs.job_id(replace(operation, step="run")))


def _keep_journal(context: Context, target: Target) -> JournalMark | None:
    """Where what is written from now on begins. A server that was started before it had a bound for it is told that."""
    engine, address, credentials = target.engine, address_of(context, target), credentials_of(context, target)
    if not isinstance(engine, Journals):
        return None
    mark = engine.keep_journal(address, credentials)
    if mark is None and isinstance(engine, Reload):
        context.runtime.update(render(context, target), target.placement, release_of(context, target))
        engine.reload(address, credentials.admin_password)
        mark = engine.keep_journal(address, credentials)
    return mark


def _save_begun(
    connection: Connection, backup: Backup, instance: Instance, mark: JournalMark | None, now: float
) -> None:
    """From the first backup on the journal is kept."""
    begun = replace(backup, started_at=now, full_version=instance.full_version, instance_id=instance.id)
    if mark is not None:
        journal = journals.begin(connection, backup.database_id, instance.id, mark, now)
        begun = replace(begun, journal=journal, position=mark.position)
    backups.set_started(connection, begun)


def _save_made(connection: Connection, backup: Backup) -> None:
    backups.finish(connection, backup)
    params, now = {"backup_id": backup.id}, backup.finished_at or 0.0
    operations.insert(connection, backup.database_id, OperationKind.VERIFY_BACKUP, now, params=params)
