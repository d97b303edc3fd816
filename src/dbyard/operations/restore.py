"""restore: begin -> the steps of `scratch` -> end -> switch. A backup takes the place of a database's data.

Beside the server that goes on serving, another one is made of the backup and checked as a proof does. Only then a
`switch` operation leads the endpoint to it; the data that were there before stay for a day.
"""

from __future__ import annotations

from dbyard.errors import PermanentError
from dbyard.model import MIB, OPERATIONS, Operation, OperationKind
from dbyard.operations import Context, Done, Kind, Next, Outcome, Save, Wait, scratch, server
from dbyard.operations.backup import backup_of
from dbyard.store import Connection, operations

_YIELDING = [kind for kind, policy in OPERATIONS.items() if policy.yields]
_IDLE_SECONDS = 0.5


def begin(context: Context, operation: Operation) -> Outcome:
    backup = backup_of(context, operation)
    needed, free = 2 * (backup.size or 0), context.host.space().free
    if free < needed:
        raise PermanentError(
            f"the restore needs {needed // MIB} MB of disk beside the data that are there, and the machine has"
            f" {free // MIB} MB left",
            code="no_room",
        )
    return scratch.add(context, operation, backup)


def end(context: Context, operation: Operation) -> Outcome:
    """The new server stops and gives its address up: it is to have the database's."""
    scratch.cancel_jobs(context, operation)
    target = scratch.load(context, operation)
    if waiting := server.stop(context, target):
        return waiting
    context.runtime.unpublish(target.instance.id)
    return Next("switch")


def switch(context: Context, operation: Operation) -> Outcome:
    """Ask for it when nothing else changes the database; what only waits for its next attempt gives way."""
    with context.store.tx() as connection:
        asked = _find_switch(connection, operation)
        if asked is None:
            asked = _ask_for_switch(connection, operation, context.now())
    if asked is None:
        return Wait(_IDLE_SECONDS, "another operation is at work on the database", counts=False)
    return Done(result={"switch": asked})


def on_failure(context: Context, operation: Operation, reason: str) -> Save | None:  # noqa: ARG001
    """The database is as it was, unless the switch was asked for already: that one decides."""
    with context.store.read() as connection:
        asked = _find_switch(connection, operation)
    return scratch.destroy(context, operation) if asked is None else None


KIND = Kind(steps={"begin": begin, **scratch.STEPS, "end": end, "switch": switch}, on_failure=on_failure)


def is_switch_asked(context: Context, operation: Operation) -> bool:
    with context.store.read() as connection:
        return _find_switch(connection, operation) is not None


def _find_switch(connection: Connection, operation: Operation) -> str | None:
    found = operations.find_by_param(connection, operation.database_id, "restore_id", operation.id)
    return found.id if found else None


def _ask_for_switch(connection: Connection, operation: Operation, now: float) -> str | None:
    database_id = operation.database_id
    operations.interrupt(connection, database_id, _YIELDING, now)
    if operations.exclusive_of(connection, database_id) is not None:
        return None
    params = {"instance_id": operation.result["instance_id"], "restore_id": operation.id}
    return operations.insert(connection, database_id, OperationKind.SWITCH, now, params=params)
