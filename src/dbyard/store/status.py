"""What a database's status follows from, as of one moment: facts of its primary instance, and who is at work on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dbyard.store import Connection, operations


@dataclass(frozen=True, slots=True)
class Facts:
    """`active_kind` and `active_id` are those of the exclusive operation that is active; None when there is none."""

    instance_id: str
    ready_at: float | None
    down_at: float | None
    down_reason: str | None
    login_error: str | None
    restriction: str
    restriction_reason: str | None
    pending_password: bool
    active_id: str | None
    active_kind: str | None
    updated_at: float | None
    """When the database was last given another name, project or plan."""
    changed_at: float | None
    """When an operation of one of `kinds` was last asked for."""


def get(connection: Connection, database_id: str, kinds: Sequence[str]) -> Facts | None:
    """None when the database was deleted. `changed_at` is of these kinds."""
    row = connection.execute(
        "SELECT i.id AS instance_id, i.ready_at, i.down_at, i.down_reason, i.login_error, i.restriction,"
        " i.restriction_reason,"
        " c.pending AS pending_password, o.id AS active_id, o.kind AS active_kind, d.updated_at,"
        " (SELECT max(u.created_at) FROM operation u WHERE u.database_id = d.id"
        f" AND u.kind IN ({operations.marks(kinds)})) AS changed_at"
        " FROM database d JOIN instance i ON i.database_id = d.id AND i.role = 'primary'"
        " JOIN credential c ON c.database_id = d.id"
        " LEFT JOIN operation o ON o.database_id = d.id AND o.status IN ('pending', 'running') AND o.exclusive = 1"
        " WHERE d.id = ? AND d.deleted_at IS NULL",
        (*kinds, database_id),
    ).fetchone()
    if row is None:
        return None
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 (a Row iterates over values)
    return Facts(**values | {"pending_password": bool(row["pending_password"])})
