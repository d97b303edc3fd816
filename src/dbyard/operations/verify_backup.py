"""verify_backup: begin -> allocate -> restore -> start -> check -> compare -> end.

A backup is proved by what a restore does: a server of its own, on the database's plan, is made of it, checked by the
technology's own checker, and compared with what was counted when the backup was taken. Then it is destroyed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dbyard.errors import BackupDamaged, DataDamaged, TemporaryError
from dbyard.model import MIB, Backup, Count, Instance, Operation, Role, Transfer, Verification, VerificationState
from dbyard.operations import Context, Done, Kind, Next, Outcome, Save, Wait, jobs, save_all, server
from dbyard.operations.backup import backup_of, engine_of, order_of, wait_for_turn
from dbyard.operations.target import Target, address_of, credentials_of, layout_of, load, load_database, release_of
from dbyard.secrets import make_id
from dbyard.store import backups, instances

_AT_ONCE = 1
_ROOM_SECONDS = 30.0
_STEPS_WITH_JOBS = ("restore", "check")


def begin(context: Context, operation: Operation) -> Outcome:
    """Wait until this machine has room for another server beside those that serve."""
    if waiting := wait_for_turn(context, operation, _AT_ONCE):
        return waiting
    target, backup = load(context, operation), backup_of(context, operation)
    if lacks := _lacks(context, target, backup):
        return Wait(_ROOM_SECONDS, lacks, counts=False)
    scratch = Instance(make_id(), target.database.id, 1, backup.full_version, Role.SCRATCH, lineage=backup.lineage)
    return Next(
        "allocate",
        lambda connection: instances.insert(connection, scratch),
        result={"instance_id": scratch.id, "began_at": context.now()},
    )


def allocate(context: Context, operation: Operation) -> Outcome:
    """A place for the data, and an address that no client is told of."""
    target = _load_scratch(context, operation)
    instance, lineage = target.instance, backup_of(context, operation).lineage
    given = context.runtime.allocate(instance.id, instance.generation, release_of(context, target), lineage=lineage)
    context.runtime.publish(instance.id, instance.id)
    return Next(
        "restore", lambda connection: instances.set_allocated(connection, instance.id, given.placement, lineage)
    )


def restore(context: Context, operation: Operation) -> Outcome:
    target, backup = _load_scratch(context, operation), backup_of(context, operation)
    tool = engine_of(target).render_restore(layout_of(context, target))
    transfer = Transfer("get", order_of(context, backup, backup.size))
    try:
        found = jobs.await_job(context, jobs.spec_of(context, operation, target, tool, transfer))
    except BackupDamaged as error:
        return _failed(str(error))
    return found if isinstance(found, Wait) else Next("start")


def start(context: Context, operation: Operation) -> Outcome:
    """Nobody but the platform is let in."""
    target = _load_scratch(context, operation)
    try:
        save = server.start(context, target, admin_only=True)
        waiting = server.await_answer(context, target)
    except DataDamaged as error:
        return _failed(f"its server cannot read what was restored: {error}")
    return waiting or Next("check", save)


def check(context: Context, operation: Operation) -> Outcome:
    target = _load_scratch(context, operation)
    tool = engine_of(target).render_check(layout_of(context, target), credentials_of(context, target))
    if tool is None:
        return Next("compare")
    try:
        found = jobs.await_job(context, jobs.spec_of(context, operation, target, tool))
    except TemporaryError as error:
        return _failed(f"the checker of {target.technology.name} finds faults: {error}")
    return found if isinstance(found, Wait) else Next("compare")


def compare(context: Context, operation: Operation) -> Outcome:
    target, backup = _load_scratch(context, operation), backup_of(context, operation)
    found = engine_of(target).count(address_of(context, target), credentials_of(context, target))
    if lacks := differences(backup.counts, found):
        return _failed(f"it is not what was backed up: {lacks}")
    return Next("end", result={"compared": len(backup.counts)})


def end(context: Context, operation: Operation) -> Outcome:
    removed = destroy(context, operation)
    failure = operation.result.get("failure")
    state = VerificationState.VERIFIED if failure is None else VerificationState.FAILED
    message = str(failure) if failure is not None else f"restored; {operation.result['compared']} counts are the same"
    return Done(save_all(removed, _save_verification(context, operation, state, message)))


def on_failure(context: Context, operation: Operation, reason: str) -> Save | None:
    """It was not proved, for what reason ever; one that was cancelled is as it was before."""
    removed = destroy(context, operation)
    if operation.cancel_requested_at is not None:
        return removed
    return save_all(removed, _save_verification(context, operation, VerificationState.FAILED, reason))


KIND = Kind(
    steps={
        "begin": begin,
        "allocate": allocate,
        "restore": restore,
        "start": start,
        "check": check,
        "compare": compare,
        "end": end,
    },
    on_failure=on_failure,
)


def differences(wanted: Mapping[str, int], found: Mapping[str, Count]) -> str:
    """What a restored server has otherwise than it was counted, the first few; empty if nothing. Pure."""
    lines = [
        f"{name} has {found[name].number if name in found else 'nothing'} instead of {number}"
        for name, number in wanted.items()
        if name not in found or found[name].number != number
    ]
    return "; ".join(lines[:5])


def destroy(context: Context, operation: Operation) -> Save | None:
    """Remove the scratch instance, its jobs and its address; the save removes its row."""
    instance_id = operation.result.get("instance_id")
    if not isinstance(instance_id, str):
        return None
    for step in _STEPS_WITH_JOBS:
        context.runtime.cancel_job(jobs.job_id(replace(operation, step=step)))
    context.runtime.destroy(instance_id, 1)
    context.runtime.unpublish(instance_id)
    return lambda connection: instances.delete(connection, instance_id)


def _load_scratch(context: Context, operation: Operation) -> Target:
    return load_database(context, operation.database_id, str(operation.result["instance_id"]))


def _lacks(context: Context, target: Target, backup: Backup) -> str:
    """What this machine lacks for another server; empty if nothing."""
    memory = (target.plan.memory_mb + target.technology.overhead_mb) * MIB
    if context.host.memory().free < memory:
        return f"the machine has no {memory // MIB} MB of memory to spare for the proof of a backup"
    disk = 2 * (backup.size or 0)
    if context.host.space().free < disk or not context.host.has_room():
        return f"the machine has no {disk // MIB} MB of disk to spare for the proof of a backup"
    return ""


def _failed(why: str) -> Next:
    return Next("end", outcome="failed", message=why, result={"failure": why})


def _save_verification(context: Context, operation: Operation, state: VerificationState, message: str) -> Save:
    now, began = context.now(), operation.result.get("began_at")
    seconds = now - began if isinstance(began, float) else None
    backup_id = str(operation.params["backup_id"])
    found = Verification(state, now, seconds, message)
    return lambda connection: backups.set_verification(connection, backup_id, found)
