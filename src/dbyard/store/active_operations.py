"""What operations are at work, as others have to know before they begin."""

from __future__ import annotations

from collections.abc import Sequence

from dbyard.model import Operation
from dbyard.store import Connection
from dbyard.store.operations import marks

_ACTIVE = "status IN ('pending', 'running')"


def count_starting_before(
    connection: Connection,
    operation: Operation,
    starting: Sequence[tuple[str, str]],
    technologies: Sequence[str],
    now: float,
) -> int:
    """How many older operations are at one of the (kind, step) pairs `starting`, on a database of these technologies.

    Those that wait after a failed attempt do not count: others may go ahead of them.
    """
    row = connection.execute(
        "SELECT COUNT(*) FROM operation o JOIN database d ON d.id = o.database_id"
        f" WHERE o.{_ACTIVE} AND (o.kind, o.step) IN (VALUES {', '.join(['(?, ?)'] * len(starting))})"
        " AND (o.run_at <= steady(?) + 1 OR o.error_code = 'waiting')"
        f" AND (o.created_at, o.id) < (?, ?) AND d.technology IN ({marks(technologies)})",
        (
            *(each for pair in starting for each in pair),
            now,
            operation.created_at,
            operation.id,
            *technologies,
        ),
    ).fetchone()
    return int(row[0])


def is_active(connection: Connection, database_id: str, kind: str) -> bool:
    """Whether an operation of that kind is at work on the database, or waits."""
    query = f"SELECT 1 FROM operation WHERE database_id = ? AND kind = ? AND {_ACTIVE}"
    return connection.execute(query, (database_id, kind)).fetchone() is not None


def count_ahead(connection: Connection, operation: Operation) -> int:
    """How many older operations of its kind are at the same step."""
    query = f"SELECT COUNT(*) FROM operation WHERE {_ACTIVE} AND kind = ? AND step = ? AND (created_at, id) < (?, ?)"
    values = (operation.kind, operation.step, operation.created_at, operation.id)
    return int(connection.execute(query, values).fetchone()[0])


def count_begun(connection: Connection, kind: str, first_step: str) -> int:
    """How many active operations of that kind are past their first step, of any database."""
    query = f"SELECT COUNT(*) FROM operation WHERE {_ACTIVE} AND kind = ? AND step <> ?"
    return int(connection.execute(query, (kind, first_step)).fetchone()[0])
