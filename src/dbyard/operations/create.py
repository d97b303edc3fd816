"""create: allocate -> start -> configure; with the data of a backup: allocate -> restore -> start -> configure.

For the data of a moment the steps of `moments` come before and after the restore.
"""

from __future__ import annotations

from dataclasses import replace

from dbyard.errors import TemporaryError
from dbyard.model import Address, JobState, Operation, RestartNeeded
from dbyard.operations import Context, Done, Kind, Next, Outcome, Save, Wait, jobs, moments, save_all, server
from dbyard.operations.backup import backup_of, restore_into
from dbyard.operations.target import Target, issue_certificate, load, release_of, save_certificate
from dbyard.runtimes import PortTaken
from dbyard.store import endpoints, instances


def allocate(context: Context, operation: Operation) -> Outcome:
    """Give the instance a place, the endpoint its address, and a certificate for all names that lead there."""
    target = load(context, operation)
    instance, release = target.instance, release_of(context, target)
    given = context.runtime.allocate(
        instance.id, instance.generation, release, plan=target.plan.name, lineage=instance.lineage
    )
    address = context.runtime.publish(target.endpoint.id, instance.id)
    certificate = issue_certificate(context, instance.id, address.host)
    return Next(
        _after_allocate(operation),
        save_all(
            lambda connection: instances.set_allocated(connection, instance.id, given.placement, given.lineage),
            _save_address(target, address),
            save_certificate(instance.id, certificate),
        ),
    )


def restore(context: Context, operation: Operation) -> Outcome:
    """The data of a backup."""
    target, backup = load(context, operation), backup_of(context, operation)
    found = restore_into(context, operation, target, backup)
    return _after_job(context, operation, found, "fetch_journal" if moments.is_wanted(operation) else "start")


def find_journal(context: Context, operation: Operation) -> Outcome:
    return moments.find_journal(context, operation, backup_of(context, operation))


def fetch_journal(context: Context, operation: Operation) -> Outcome:
    target, backup = load(context, operation), backup_of(context, operation)
    found = moments.fetch_journal(context, operation, target, backup)
    return _after_job(context, operation, found, "replay_journal")


def replay_journal(context: Context, operation: Operation) -> Outcome:
    target, backup = load(context, operation), backup_of(context, operation)
    found = moments.replay_journal(context, operation, target, backup)
    return _after_job(context, operation, found, "start")


def start(context: Context, operation: Operation) -> Outcome:
    """Start the server; while it never ran, its endpoint may move away from a port that another program took.

    A kill may have come between moving it and recording that: the runtime knows where it is.
    """
    target = load(context, operation)
    address = context.runtime.publish(target.endpoint.id, target.instance.id)
    if waiting := server.wait_for_start_slot(context, operation, target):
        return waiting
    try:
        server.start(context, target)
    except PortTaken:
        address = context.runtime.publish(target.endpoint.id, target.instance.id, avoid=address.port)
        return Next("start", _save_address(target, address))
    return Next("configure", _save_address(target, address))


def configure(context: Context, operation: Operation) -> Outcome:
    """As soon as the server answers, make the tenant's user and database. From then on the endpoint never changes."""
    target = load(context, operation)
    try:
        outcome = server.configure(context, target)
    except PortTaken:
        return Next("start")
    if isinstance(outcome, Wait):
        return outcome
    if isinstance(outcome, RestartNeeded):
        raise TemporaryError(f"a new server does not take its settings: {outcome.reason}", code="not_configured")
    return Done(server.save_configured(context, target))


def on_failure(context: Context, operation: Operation, reason: str) -> Save | None:
    """A create that ended in error leaves no server running; its logs stay until the database is deleted."""
    with context.store.read() as connection:
        found = instances.list_for(connection, operation.database_id)
    for instance in found:
        context.runtime.stop(instance.id, force=True)
    return save_all(*(server.save_down(context, instance.id, reason) for instance in found))


KIND = Kind(
    steps={
        "allocate": allocate,
        "find_journal": find_journal,
        "restore": restore,
        "fetch_journal": fetch_journal,
        "replay_journal": replay_journal,
        "start": start,
        "configure": configure,
    },
    on_failure=on_failure,
)


def _after_allocate(operation: Operation) -> str:
    if moments.is_wanted(operation):
        return "find_journal"
    return "restore" if "backup_id" in operation.params else "start"


def _after_job(context: Context, operation: Operation, found: Wait | JobState, step: str) -> Outcome:
    """While a job makes progress it may last."""
    if isinstance(found, Wait):
        return replace(found, counts=found.progress == operation.progress)
    context.runtime.cancel_job(jobs.job_id(operation))
    return Next(step)


def _save_address(target: Target, address: Address) -> Save | None:
    """Only what is new is written."""
    if target.endpoint.address == address:
        return None
    return lambda connection: endpoints.set_address(connection, target.endpoint.id, address)
