"""A scratch instance that is made of a backup, for its proof as for a restore.

allocate -> restore -> start -> check -> compare, then what its kind has for `end`. For the data of a moment the steps
of `moments` come before and after the restore.
Its endpoint has the instance's id, and no client is told of it. What proves that the backup is no good raises
BackupDamaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from dbyard.errors import BackupDamaged, DataDamaged, JobFailed, ObjectMissing
from dbyard.model import FAULTY, Backup, Count, Instance, Operation, Role, Verification, VerificationState
from dbyard.operations import Context, Next, Outcome, Save, Step, Wait, jobs, moments, save_all, server
from dbyard.operations.backup import backup_of, engine_of, note_proof, restore_into
from dbyard.operations.target import (
    Target,
    address_of,
    credentials_of,
    issue_certificate,
    layout_of,
    load_database,
    release_of,
    save_certificate,
)
from dbyard.runtimes import PortTaken
from dbyard.secrets import make_id
from dbyard.store import backups, instances

_OF_BACKUP = ("restore",)
_WITH_JOBS = ("restore", *moments.STEPS, "inspect", "load", "check")


def add(context: Context, operation: Operation, backup: Backup) -> Outcome:
    """Its row comes first, so that whatever is made of it is known."""
    instance = Instance(make_id(), operation.database_id, 1, backup.full_version, Role.SCRATCH, lineage=backup.lineage)
    return Next(
        "allocate",
        lambda connection: instances.insert(connection, instance),
        result={"instance_id": instance.id, "began_at": context.now()},
    )


def allocate(context: Context, operation: Operation) -> Outcome:
    target, backup = load(context, operation), backup_of(context, operation)
    instance, release = target.instance, release_of(context, target)
    given = context.runtime.allocate(instance.id, instance.generation, release, lineage=backup.lineage)
    address = context.runtime.publish(instance.id, instance.id)
    certificate = issue_certificate(context, instance.id, address.host)
    return Next(
        "find_journal" if moments.is_wanted(operation) else "restore",
        save_all(
            lambda connection: instances.set_allocated(connection, instance.id, given.placement, given.lineage),
            save_certificate(instance.id, certificate),
        ),
    )


def restore(context: Context, operation: Operation) -> Outcome:
    try:
        found = restore_into(context, operation, load(context, operation), backup_of(context, operation))
    except JobFailed as error:
        if error.exit_code != FAULTY:
            raise
        raise BackupDamaged(f"what was restored is no good: {error}") from error
    if isinstance(found, Wait):
        return found
    return Next("fetch_journal" if moments.is_wanted(operation) else "start")


def find_journal(context: Context, operation: Operation) -> Outcome:
    return moments.find_journal(context, operation, backup_of(context, operation))


def fetch_journal(context: Context, operation: Operation) -> Outcome:
    target, backup = load(context, operation), backup_of(context, operation)
    found = moments.fetch_journal(context, operation, target, backup)
    return found if isinstance(found, Wait) else Next("replay_journal")


def replay_journal(context: Context, operation: Operation) -> Outcome:
    target, backup = load(context, operation), backup_of(context, operation)
    found = moments.replay_journal(context, operation, target, backup)
    return found if isinstance(found, Wait) else Next("start")


def start(context: Context, operation: Operation) -> Outcome:
    """Nobody but the platform is let in. Another program may have taken its port: then it gets another one."""
    target = load(context, operation)
    try:
        save = server.start(context, target, admin_only=True)
        waiting = server.await_answer(context, target, admin_only=True)
    except PortTaken:
        taken = address_of(context, target).port
        context.runtime.publish(target.instance.id, target.instance.id, avoid=taken)
        raise
    except DataDamaged as error:
        raise BackupDamaged(f"a server cannot read what was restored: {error}") from error
    return waiting or Next("check", save)


def check(context: Context, operation: Operation) -> Outcome:
    target = load(context, operation)
    if not server.is_running(context, target):
        return Next("start")
    found = find_faults(context, operation, target)
    if isinstance(found, JobFailed):
        raise BackupDamaged(f"the checker of {target.technology.name} finds faults: {found}") from found
    return found or Next("compare")


def find_faults(context: Context, operation: Operation, target: Target) -> Wait | JobFailed | None:
    """What the technology's own checker says of a running server, where it finds faults; None where it does not."""
    tool = engine_of(target).render_check(layout_of(context, target), credentials_of(context, target))
    if tool is None:
        return None
    try:
        found = jobs.await_job(context, jobs.spec_of(context, operation, target, tool))
    except JobFailed as error:
        if error.exit_code != FAULTY:
            raise
        return error
    return found if isinstance(found, Wait) else None


def compare(context: Context, operation: Operation) -> Outcome:
    target, backup = load(context, operation), backup_of(context, operation)
    if moments.is_wanted(operation):  # its counts are those of another moment
        return Next("end")
    if not server.is_running(context, target):
        return Next("start")
    found = engine_of(target).count(address_of(context, target), credentials_of(context, target))
    if lacks := differences(backup.counts, found):
        raise BackupDamaged(f"it is not what was backed up: {lacks}")
    return Next("end")


def judging(step: Step) -> Step:
    """What it finds out about the backup stands with the backup, for a proof as for a restore."""

    def judge(context: Context, operation: Operation) -> Outcome:
        try:
            return step(context, operation)
        except (BackupDamaged, ObjectMissing) as error:
            if operation.step not in _OF_BACKUP and moments.is_wanted(operation):
                raise  # it may be the journal
            found = Verification(VerificationState.FAILED, context.now(), None, str(error))
            backup = backup_of(context, operation)
            with context.store.tx() as connection:
                backups.set_verification(connection, backup.id, found)
            note_proof(context, backup, found)
            raise

    return judge


STEPS: Mapping[str, Step] = {
    "allocate": allocate,
    "find_journal": find_journal,
    "restore": judging(restore),
    "fetch_journal": fetch_journal,
    "replay_journal": replay_journal,
    "start": judging(start),
    "check": judging(check),
    "compare": judging(compare),
}


def load(context: Context, operation: Operation) -> Target:
    """The scratch instance of the operation."""
    return load_database(context, operation.database_id, str(operation.result["instance_id"]))


def destroy(context: Context, operation: Operation) -> Save | None:
    """Remove the instance, its jobs and its address; the save removes its row."""
    instance_id = operation.result.get("instance_id")
    if not isinstance(instance_id, str):
        return None
    cancel_jobs(context, operation)
    context.runtime.destroy(instance_id, 1)
    context.runtime.unpublish(instance_id)
    return lambda connection: instances.delete(connection, instance_id)


def cancel_jobs(context: Context, operation: Operation) -> None:
    for step in _WITH_JOBS:
        context.runtime.cancel_job(jobs.job_id(replace(operation, step=step)))


def differences(wanted: Mapping[str, int], found: Mapping[str, Count]) -> str:
    """What a restored server has otherwise than it was counted, the first few; empty if nothing. Pure."""
    lines = [
        f"{name} has {found[name].number if name in found else 'nothing'} instead of {number}"
        for name, number in wanted.items()
        if name not in found or found[name].number != number
    ]
    return "; ".join(lines[:5])
