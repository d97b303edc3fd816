"""delete: destroy -> forget. Its transaction has already hidden the database and freed its name."""

from __future__ import annotations

from dbyard.model import Operation
from dbyard.operations import Context, Done, Kind, Next, Outcome
from dbyard.store import instances


def destroy(context: Context, operation: Operation) -> Outcome:
    """End the processes, free the port and the uid, remove the files."""
    with context.store.read() as connection:
        instance = instances.get_for(connection, operation.database_id)
    if instance is not None:
        context.runtime.destroy(instance.id, instance.generation)
    return Next("forget")


def forget(_: Context, operation: Operation) -> Outcome:
    """Remove the rows: the database, its secrets, and this operation with it."""
    return Done(lambda connection: instances.forget(connection, operation.database_id))


def on_failure(context: Context, operation: Operation) -> None:
    """Nothing to tidy up: the sweep queues the delete again until nothing is left."""


KIND = Kind(steps={"destroy": destroy, "forget": forget}, on_failure=on_failure)
