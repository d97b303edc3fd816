"""Queries on operations: the one queue of the platform, and the history that an operation shows."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from sqlite3 import Row

from dbyard.model import OPERATIONS, Operation, OperationEvent, OperationKind, OperationStatus
from dbyard.store import Connection

LEASE = 60.0
"""Seconds that a claim holds; it only guards against a hung thread."""

_COLUMNS = (
    "id, database_id, kind, step, status, attempt, run_at, deadline_at,"
    " token, error_code, error, created_at, finished_at"
)
_SUPERSEDE = (
    "UPDATE operation SET status = 'error', error_code = 'superseded', error = 'another operation took its place',"
    " token = NULL, finished_at = ? WHERE database_id = ?"
)


def insert(
    connection: Connection,
    database_id: str,
    kind: OperationKind,
    now: float,
    *,
    delay: float = 0.0,
    step: str | None = None,
) -> str:
    """Queue an operation at `step`, or where its kind begins, due after `delay` seconds.

    Raises sqlite3.IntegrityError when the database has an active one.
    """
    rules, run_at = OPERATIONS[kind], now + delay
    operation_id = secrets.token_hex(12)
    connection.execute(
        "INSERT INTO operation (id, database_id, kind, step, status, run_at, deadline_at, created_at)"
        " VALUES (?, ?, ?, ?, 'pending', ?, ?, ?)",
        (operation_id, database_id, kind, step or rules.first_step, run_at, run_at + rules.deadline, now),
    )
    return operation_id


def supersede(connection: Connection, database_id: str, now: float) -> None:
    """Close the database's active operation, if any; with its token gone nothing of it is applied any more."""
    connection.execute(f"{_SUPERSEDE} AND status IN ('pending', 'running')", (now, database_id))


def interrupt(connection: Connection, database_id: str, kind: OperationKind, now: float) -> None:
    """Close the database's active operation if it is of this kind and nobody works on it just now."""
    connection.execute(f"{_SUPERSEDE} AND status = 'pending' AND kind = ?", (now, database_id, kind))


def active_id(connection: Connection, database_id: str) -> str | None:
    """The id of the database's active operation."""
    row = connection.execute(
        "SELECT id FROM operation WHERE database_id = ? AND status IN ('pending', 'running')", (database_id,)
    ).fetchone()
    return row["id"] if row else None


def count_starting_before(connection: Connection, operation: Operation, technologies: Sequence[str], now: float) -> int:
    """How many older operations are about to start a server of these technologies, or wait for one that they started.

    Those that wait after a failed attempt do not count: others may go ahead of them.
    """
    row = connection.execute(
        "SELECT COUNT(*) FROM operation o JOIN database d ON d.id = o.database_id"
        " WHERE o.status IN ('pending', 'running') AND o.step IN ('place', 'launch', 'await_ready', 'secure')"
        " AND (o.run_at <= ? OR o.error_code = 'waiting')"
        f" AND (o.created_at, o.id) < (?, ?) AND d.technology IN ({', '.join('?' * len(technologies))})",
        (now + 1.0, operation.created_at, operation.id, *technologies),
    ).fetchone()
    return int(row[0])


def get(connection: Connection, operation_id: str) -> Operation | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM operation WHERE id = ?", (operation_id,)).fetchone()
    return _operation(row) if row else None


def list_for(connection: Connection, database_id: str) -> list[tuple[Operation, list[OperationEvent]]]:
    """All operations of a database with their histories, newest first."""
    operations = connection.execute(
        f"SELECT {_COLUMNS} FROM operation WHERE database_id = ? ORDER BY seq DESC",
        (database_id,),
    ).fetchall()
    events = connection.execute(
        "SELECT e.operation_id, e.at, e.step, e.outcome, e.message FROM operation_event e"
        " JOIN operation o ON o.id = e.operation_id WHERE o.database_id = ? ORDER BY e.seq",
        (database_id,),
    ).fetchall()
    history: dict[str, list[OperationEvent]] = {row["id"]: [] for row in operations}
    for event in events:
        history[event["operation_id"]].append(
            OperationEvent(event["at"], event["step"], event["outcome"], event["message"])
        )
    return [(_operation(row), history[row["id"]]) for row in operations]


def cause_of(connection: Connection, operation_id: str) -> OperationEvent | None:
    """Why a heal was needed, as far as it could be found."""
    row = connection.execute(
        "SELECT at, step, outcome, message FROM operation_event"
        " WHERE operation_id = ? AND step IN ('examine', 'restart') ORDER BY seq DESC LIMIT 1",
        (operation_id,),
    ).fetchone()
    return OperationEvent(*row) if row and row["outcome"] != "done" else None


# ---- the reconciler's side --------------------------------------------------------------------------------------


def void_leases(connection: Connection, now: float) -> None:
    """At start: the lock on the home proves that whoever held these leases is dead.

    Deadlines begin again, because nobody worked on these operations meanwhile.
    """
    connection.execute("UPDATE operation SET lease_until = 0, token = NULL WHERE status = 'running'")
    for kind, rules in OPERATIONS.items():
        connection.execute(
            "UPDATE operation SET deadline_at = max(deadline_at, ?)"
            " WHERE kind = ? AND status IN ('pending', 'running')",
            (now + rules.deadline, kind),
        )


def claim(connection: Connection, now: float) -> Operation | None:
    """Take the operation that is due longest, under a fresh token; counts as an attempt of its step."""
    row = connection.execute(
        f"UPDATE operation SET status = 'running', token = ?, lease_until = ?, attempt = attempt + 1"
        " WHERE seq = (SELECT seq FROM operation WHERE status IN ('pending', 'running')"
        " AND run_at <= ? AND lease_until <= ? ORDER BY run_at, seq LIMIT 1)"
        f" RETURNING {_COLUMNS}",
        (secrets.token_hex(8), now + LEASE, now, now),
    ).fetchone()
    return _operation(row) if row else None


def next_due(connection: Connection) -> float | None:
    """When the next active operation wants to run."""
    row = connection.execute(
        "SELECT min(max(run_at, lease_until)) AS due FROM operation WHERE status IN ('pending', 'running')"
    ).fetchone()
    return None if row is None else row["due"]


def advance(
    connection: Connection, operation: Operation, step: str, now: float, outcome: str = "done", message: str = ""
) -> bool:
    """Record the claimed step as done and go on at `step`, still under the claim; False when the claim is lost.

    `outcome` and `message` are what the step found, when there is more to say than that it is done.
    """
    changes = "step = ?, attempt = 1, run_at = ?, lease_until = ?, error_code = NULL, error = NULL"
    if not _apply(connection, operation, changes, step, now, now + LEASE):
        return False
    _record(connection, operation, now, outcome, message)
    return True


def wait(connection: Connection, operation: Operation, run_at: float, deadline_at: float, reason: str) -> bool:
    """Give the claim back; the same step runs again at `run_at`, and this was no failed attempt."""
    changes = (
        "status = 'pending', token = NULL, lease_until = 0, attempt = attempt - 1, run_at = ?, deadline_at = ?,"
        " error_code = 'waiting', error = ?"
    )
    return _apply(connection, operation, changes, run_at, deadline_at, reason)


def retry(connection: Connection, operation: Operation, run_at: float, now: float, code: str, message: str) -> bool:
    """Give the claim back after a failed attempt; the same step runs again at `run_at`."""
    changes = "status = 'pending', token = NULL, lease_until = 0, run_at = ?, error_code = ?, error = ?"
    if not _apply(connection, operation, changes, run_at, code, message):
        return False
    _record(connection, operation, now, code, message)
    return True


def finish(connection: Connection, operation: Operation, now: float) -> bool:
    """The operation is done; what went wrong on the way stays in its history."""
    changes = "status = 'done', token = NULL, lease_until = 0, finished_at = ?, error_code = NULL, error = NULL"
    if not _apply(connection, operation, changes, now):
        return False
    _record(connection, operation, now, "done", "")
    return True


def is_claimed(connection: Connection, operation: Operation) -> bool:
    """Whether the operation is still its claimer's own."""
    row = connection.execute(
        "SELECT 1 FROM operation WHERE id = ? AND token = ?", (operation.id, operation.token)
    ).fetchone()
    return row is not None


def fail(connection: Connection, operation: Operation, now: float, code: str, message: str) -> bool:
    """The operation ends in error, with a message for its owner."""
    changes = "status = 'error', token = NULL, lease_until = 0, finished_at = ?, error_code = ?, error = ?"
    if not _apply(connection, operation, changes, now, code, message):
        return False
    _record(connection, operation, now, code, message)
    return True


def count_recent(connection: Connection, database_id: str, kind: OperationKind, since: float) -> int:
    """How many operations of a kind the database has had since then."""
    row = connection.execute(
        "SELECT count(*) AS n FROM operation WHERE database_id = ? AND kind = ? AND created_at >= ?",
        (database_id, kind, since),
    ).fetchone()
    return int(row["n"])


def prune(connection: Connection, before: float) -> None:
    """Forget what ended long ago, but never how a database came to be."""
    connection.execute(
        "DELETE FROM operation WHERE status IN ('done', 'error') AND kind IN ('heal', 'restrict', 'rotate', 'update')"
        " AND finished_at < ?",
        (before,),
    )


def count_by_status(connection: Connection) -> dict[tuple[str, str], int]:
    """How many operations of each (kind, status) are recorded."""
    rows = connection.execute("SELECT kind, status, count(*) AS n FROM operation GROUP BY kind, status").fetchall()
    return {(row["kind"], row["status"]): row["n"] for row in rows}


def _apply(connection: Connection, operation: Operation, changes: str, *values: object) -> bool:
    cursor = connection.execute(
        f"UPDATE operation SET {changes} WHERE id = ? AND token = ?",
        (*values, operation.id, operation.token),
    )
    return cursor.rowcount == 1


def _record(connection: Connection, operation: Operation, now: float, outcome: str, message: str) -> None:
    connection.execute(
        "INSERT INTO operation_event (operation_id, at, step, outcome, message) VALUES (?, ?, ?, ?, ?)",
        (operation.id, now, operation.step, outcome, message),
    )


def _operation(row: Row) -> Operation:
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 (a Row iterates over values)
    values["kind"] = OperationKind(values["kind"])
    values["status"] = OperationStatus(values["status"])
    return Operation(**values)
