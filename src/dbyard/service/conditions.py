"""What a database is doing, in the words that clients know."""

from __future__ import annotations

from dbyard.errors import NotFound
from dbyard.model import DatabaseStatus, OperationStatus
from dbyard.store import Connection, databases
from dbyard.store.databases import Condition

UPDATING_SECONDS = 10.0
"""A change of plan shows at least so long: clients first wait for a database not to run, then for it to run again."""


def condition(reading: Connection, database_id: str) -> Condition:
    found = databases.condition_of(reading, database_id)
    if found is None:
        raise NotFound("Database not found")
    return found


def status(condition: Condition, now: float) -> DatabaseStatus:
    """`stopped` is also one that never got ready, or that could not be brought back."""
    if condition.changing or (condition.changed_at is not None and now < condition.changed_at + UPDATING_SECONDS):
        return DatabaseStatus.UPDATING
    if condition.status == OperationStatus.DONE:
        return DatabaseStatus.RUNNING
    if condition.ready_at is None and condition.status != OperationStatus.ERROR:
        return DatabaseStatus.CREATING
    return DatabaseStatus.STOPPED
