"""verify_backup: begin -> the steps of `scratch` -> end. A backup is proved by what a restore does.

A server of its own, on the database's plan, is made of it, checked by the technology's own checker, and compared with
what was counted when the backup was taken. Then it is destroyed.
"""

from __future__ import annotations

from dbyard.model import MIB, Backup, Operation, Verification, VerificationState
from dbyard.operations import Context, Done, Kind, Outcome, Save, Wait, save_all, scratch
from dbyard.operations.backup import backup_of, note_proof, wait_for_turn
from dbyard.operations.target import Target, load
from dbyard.store import backups

_AT_ONCE = 1
_ROOM_SECONDS = 30.0


def begin(context: Context, operation: Operation) -> Outcome:
    """Wait until this machine has room for another server beside those that serve."""
    if waiting := wait_for_turn(context, operation, _AT_ONCE):
        return waiting
    target, backup = load(context, operation), backup_of(context, operation)
    if lacks := _lacks(context, target, backup):
        return Wait(_ROOM_SECONDS, lacks, counts=False)
    return scratch.add(context, operation, backup)


def end(context: Context, operation: Operation) -> Outcome:
    backup, now, began = backup_of(context, operation), context.now(), operation.result.get("began_at")
    message = f"restored; {len(backup.counts)} counts are the same"
    seconds = now - began if isinstance(began, float) else None
    found = Verification(VerificationState.VERIFIED, now, seconds, message)
    removed = scratch.destroy(context, operation)
    note_proof(context, backup, found)
    return Done(save_all(removed, lambda connection: backups.set_verification(connection, backup.id, found)))


def on_failure(context: Context, operation: Operation, reason: str) -> Save | None:
    """What was found damaged stands with the backup already. Otherwise nothing is known that was not before."""
    removed = scratch.destroy(context, operation)
    backup_id, now = str(operation.params["backup_id"]), context.now()
    return save_all(removed, lambda connection: backups.note_unproved(connection, backup_id, now, reason))


KIND = Kind(steps={"begin": begin, **scratch.STEPS, "end": end}, on_failure=on_failure)


def _lacks(context: Context, target: Target, backup: Backup) -> str:
    """What this machine lacks for another server; empty if nothing."""
    memory = (target.plan.memory_mb + target.technology.overhead_mb) * MIB
    if context.host.memory().free < memory:
        return f"the machine has no {memory // MIB} MB of memory to spare for the proof of a backup"
    disk = 2 * (backup.size or 0)
    if context.host.space().free < disk or not context.host.has_room():
        return f"the machine has no {disk // MIB} MB of disk to spare for the proof of a backup"
    return ""
