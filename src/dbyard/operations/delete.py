"""delete: destroy -> forget. Its transaction has already hidden the database and freed its name."""

from __future__ import annotations

import logging

from dbyard.archive import uploads
from dbyard.errors import ArchiveUnavailable
from dbyard.model import Operation
from dbyard.operations import Context, Done, Kind, Next, Outcome, Save
from dbyard.store import databases, endpoints, instances

log = logging.getLogger(__name__)


def destroy(context: Context, operation: Operation) -> Outcome:
    """Of every instance: end the processes and jobs, remove the files; then free the addresses."""
    with context.store.read() as connection:
        found = instances.list_for(connection, operation.database_id)
        reached = endpoints.list_for(connection, operation.database_id)
    for instance in found:
        context.runtime.destroy(instance.id, instance.generation)
    for published in (*(each.id for each in found), *(each.id for each in reached)):  # a scratch instance is its own
        context.runtime.unpublish(published)
    try:
        uploads.remove(context.archive, operation.database_id)
    except ArchiveUnavailable as error:
        log.warning("a dump for database %s is still in the archive: %s", operation.database_id, error)
    return Next("forget")


def forget(_: Context, operation: Operation) -> Outcome:
    """Remove the rows: the database, its secrets, and this operation with it."""
    return Done(lambda connection: databases.forget(connection, operation.database_id))


def on_failure(context: Context, operation: Operation, reason: str) -> Save | None:
    """Nothing to tidy up: the drift reconciler queues the delete again until nothing is left."""


KIND = Kind(steps={"destroy": destroy, "forget": forget}, on_failure=on_failure)
