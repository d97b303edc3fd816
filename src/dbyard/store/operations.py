"""Queries on operations: the one queue of the platform, and the history that an operation shows.

`run_at` and `deadline_at` are of the store's steady clock, which does not jump; `at` is a time of it.
Other times are stamps of the machine's clock, and so is `now`.

What a kind means is data in `model.operations`; no kind or step has a name here.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from sqlite3 import Row

import msgspec

from dbyard.model import OPERATIONS, Operation, OperationEvent, OperationStatus, Progress
from dbyard.store import Connection

_LONGEST_WAIT = 30.0

_COLUMNS = (
    "id, database_id, kind, step, status, attempt, run_at, deadline_at, token, error_code, error, created_at,"
    " finished_at, instance_id, params, result, progress, cancel_requested_at"
)
_ACTIVE = "status IN ('pending', 'running')"
_URGENT = ", ".join(f"'{kind}'" for kind, policy in OPERATIONS.items() if policy.urgent)
_SOMETIMES = ", ".join(f"'{kind}'" for kind, policy in OPERATIONS.items() if policy.held)
_STEPS = ", ".join(f"'{kind}/{step}'" for kind, policy in OPERATIONS.items() for step in sorted(policy.held))
# An operation that a tenant's server may hold up; `is_held` says the same.
_HELD = (
    f"(o.kind NOT IN ({_URGENT}) OR (o.kind IN ({_SOMETIMES})"
    f" AND (o.error_code IS NOT NULL OR o.kind || '/' || o.step IN ({_STEPS}))))"
)
_WAITED = f"(o.error_code IS NOT NULL AND NOT {_HELD})"  # no tenant holds it up, and it may take long all the same
_UNCLAIMED = f"o.{_ACTIVE} AND o.status = 'pending'"  # the index knows only the first part
_OF_ACCOUNT = " JOIN database d ON d.id = o.database_id JOIN project p ON p.id = d.project_id"
_HELD_PATIENCE = 5.0
"""Seconds for which an urgent operation goes before one that is held."""
_SUPERSEDE = (
    "UPDATE operation SET status = 'error', error_code = 'superseded', error = 'another operation took its place',"
    " token = NULL, finished_at = ? WHERE database_id = ?"
)


def insert(
    connection: Connection,
    database_id: str,
    kind: str,
    now: float,
    *,
    delay: float = 0.0,
    step: str | None = None,
    instance_id: str | None = None,
    params: Mapping[str, object] | None = None,
) -> str:
    """Queue an operation at `step`, or where its kind begins, due after `delay` seconds; its id.

    Raises sqlite3.IntegrityError for an exclusive one when the database has an active exclusive one.
    """
    policy = OPERATIONS[kind]
    operation_id = secrets.token_hex(12)
    connection.execute(
        "INSERT INTO operation (id, database_id, kind, step, status, run_at, deadline_at, created_at, exclusive,"
        " owns_server, instance_id, params)"
        " VALUES (?, ?, ?, ?, 'pending', steady(?) + ?, steady(?) + ?, ?, ?, ?, ?, ?)",
        (
            operation_id,
            database_id,
            kind,
            step or policy.first_step,
            now,
            delay,
            now,
            delay + policy.patience,
            now,
            policy.exclusive,
            policy.owns_server,
            instance_id,
            json.dumps(params or {}),
        ),
    )
    return operation_id


def supersede(connection: Connection, database_id: str, now: float) -> None:
    """Close all active operations of the database; with their tokens gone nothing of them is applied any more."""
    connection.execute(f"{_SUPERSEDE} AND {_ACTIVE}", (now, database_id))


def interrupt(connection: Connection, database_id: str, kinds: Sequence[str], now: float) -> None:
    """Close the database's active operations of these kinds on which no worker is at work just now."""
    connection.execute(f"{_SUPERSEDE} AND status = 'pending' AND kind IN ({marks(kinds)})", (now, database_id, *kinds))


def request_cancel(connection: Connection, operation_id: str, now: float) -> None:
    """Its worker, or the next one, ends it; one that waits becomes due at once."""
    connection.execute(
        "UPDATE operation SET cancel_requested_at = coalesce(cancel_requested_at, ?1), run_at = min(run_at, steady(?1))"
        f" WHERE id = ?2 AND {_ACTIVE}",
        (now, operation_id),
    )


def exclusive_of(connection: Connection, database_id: str) -> Operation | None:
    """The exclusive operation of the database that is active."""
    query = f"SELECT {_COLUMNS} FROM operation WHERE database_id = ? AND exclusive = 1 AND {_ACTIVE}"
    return _one(connection.execute(query, (database_id,)).fetchone())


def find_by_param(connection: Connection, database_id: str, name: str, value: str) -> Operation | None:
    """The database's operation that was asked for with this parameter."""
    query = f"SELECT {_COLUMNS} FROM operation WHERE database_id = ? AND json_extract(params, '$.' || ?) = ?"
    return _one(connection.execute(query, (database_id, name, value)).fetchone())


def list_done(connection: Connection, database_id: str, kind: str) -> list[Operation]:
    """The database's operations of a kind that ended well, oldest first."""
    query = f"SELECT {_COLUMNS} FROM operation WHERE database_id = ? AND kind = ? AND status = 'done' ORDER BY seq"
    return [_operation(row) for row in connection.execute(query, (database_id, kind))]


def get(connection: Connection, operation_id: str) -> Operation | None:
    return _one(connection.execute(f"SELECT {_COLUMNS} FROM operation WHERE id = ?", (operation_id,)).fetchone())


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


# ---- the reconciler's side --------------------------------------------------------------------------------------


def void_claims(connection: Connection, at: float) -> None:
    """At start: the lock on the home proves that whatever had these claims is dead.

    Deadlines begin again, because nothing worked on these operations meanwhile; and so do waits that are longer than
    any, because the clock was another one.
    """
    connection.execute("UPDATE operation SET status = 'pending', token = NULL WHERE status = 'running'")
    for kind, policy in OPERATIONS.items():
        connection.execute(
            "UPDATE operation SET run_at = min(run_at, ?1 + ?2), deadline_at = max(?1, min(run_at, ?1 + ?2)) + ?3"
            f" WHERE kind = ?4 AND {_ACTIVE}",
            (at, _LONGEST_WAIT, policy.patience, kind),
        )


def claim(connection: Connection, at: float, most_held: int | None = None) -> Operation | None:
    """Take the operation whose turn it is, under a fresh token; counts as an attempt of its step.

    The claim holds until it is given back, or the process is dead (`void_claims`): no time ends it, for a machine may
    sleep in the middle of a step.

    Urgent ones come first, before those of them that have failed or waited, and these before all others; then those of
    the account for which fewest are being worked on, then those that are due longest. No more than `most_held` are
    worked on at once that a tenant's server may hold up, one fewer of one account, and one fewer of the urgent ones
    that have failed or waited.
    """
    free, values = _free(connection, most_held)
    row = connection.execute(
        "UPDATE operation SET status = 'running', token = :token, attempt = attempt + 1"
        f" WHERE seq = (SELECT o.seq FROM operation o{_OF_ACCOUNT} LEFT JOIN ("
        "   SELECT q.account_id, count(*) AS claims FROM operation r JOIN database e ON e.id = r.database_id"
        f"   JOIN project q ON q.id = e.project_id WHERE r.{_ACTIVE} AND r.status = 'running'"
        "   GROUP BY q.account_id) busy ON busy.account_id = p.account_id"
        f"  WHERE {_UNCLAIMED} AND o.run_at <= :at{free}"
        f"  ORDER BY CASE WHEN o.run_at <= :at - :patience THEN 0 WHEN {_HELD} THEN 2 WHEN {_WAITED} THEN 1 ELSE 0 END,"
        " coalesce(busy.claims, 0), o.run_at, o.seq LIMIT 1)"
        f" RETURNING {_COLUMNS}",
        {"token": secrets.token_hex(8), "at": at, "patience": _HELD_PATIENCE, **values},
    ).fetchone()
    return _one(row)


def is_held(operation: Operation) -> bool:
    """Whether a tenant's server may hold up what its worker does."""
    policy = OPERATIONS[operation.kind]
    sometimes = bool(policy.held) and (operation.error_code is not None or operation.step in policy.held)
    return not policy.urgent or sometimes


def release(connection: Connection, operation: Operation) -> bool:
    """Give the claim back before anything was tried: it is claimed again when it is its turn."""
    return _apply(connection, operation, "status = 'pending', token = NULL, attempt = attempt - 1")


def next_due(connection: Connection, most_held: int | None = None) -> float | None:
    """When the next active operation can be claimed, as far as that is known now."""
    free, values = _free(connection, most_held)
    query = f"SELECT min(o.run_at) AS due FROM operation o{_OF_ACCOUNT} WHERE {_UNCLAIMED}{free}"
    row = connection.execute(query, values).fetchone()
    return None if row is None else row["due"]


def advance(
    connection: Connection,
    operation: Operation,
    step: str,
    now: float,
    outcome: str = "done",
    message: str = "",
    result: Mapping[str, object] | None = None,
) -> Operation | None:
    """Record the claimed step as done and go on at `step`, still under the claim; None when the claim is lost.

    `outcome` and `message` are what the step found, when there is more to say than that it is done; `result` is added
    to the operation's. A step that is done is progress, where the lack of that ends an operation.
    """
    stall = OPERATIONS[operation.kind].stall
    began = ", progress = NULL, deadline_at = max(deadline_at, steady(:now) + :stall)" if stall else ""
    row = connection.execute(
        "UPDATE operation SET step = :step, attempt = 1, run_at = steady(:now),"
        f" error_code = NULL, error = NULL, result = :result{began} WHERE id = :id AND token = :token"
        f" RETURNING {_COLUMNS}",
        {
            "step": step,
            "now": now,
            "stall": stall,
            "result": _merged(operation, result),
            "id": operation.id,
            "token": operation.token,
        },
    ).fetchone()
    if row is not None:
        _record(connection, operation, now, outcome, message)
    return _one(row)


def wait(
    connection: Connection,
    operation: Operation,
    run_at: float,
    deadline_at: float,
    reason: str,
    progress: Progress | None = None,
) -> bool:
    """Give the claim back; the same step runs again at `run_at`, and this was no failed attempt."""
    changes = (
        "status = 'pending', token = NULL, attempt = attempt - 1, run_at = ?, deadline_at = ?,"
        " error_code = 'waiting', error = ?, progress = ?"
    )
    shown = msgspec.json.encode(progress).decode() if progress else None
    return _apply(connection, operation, changes, run_at, deadline_at, reason, shown)


def retry(connection: Connection, operation: Operation, run_at: float, now: float, code: str, message: str) -> bool:
    """Give the claim back after a failed attempt; the same step runs again at `run_at`."""
    changes = "status = 'pending', token = NULL, run_at = ?, error_code = ?, error = ?"
    if not _apply(connection, operation, changes, run_at, code, message):
        return False
    _record(connection, operation, now, code, message)
    return True


def finish(
    connection: Connection, operation: Operation, now: float, result: Mapping[str, object] | None = None
) -> bool:
    """The operation is done; what went wrong on the way stays in its history."""
    changes = "status = 'done', token = NULL, finished_at = ?, error_code = NULL, error = NULL, result = ?"
    if not _apply(connection, operation, changes, now, _merged(operation, result)):
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
    changes = "status = 'error', token = NULL, finished_at = ?, error_code = ?, error = ?"
    if not _apply(connection, operation, changes, now, code, message):
        return False
    _record(connection, operation, now, code, message)
    return True


def count_recent(connection: Connection, database_id: str, kind: str, since: float, until: float) -> int:
    """How many operations of a kind the database has had in that time; none of a future that the clock left."""
    row = connection.execute(
        "SELECT count(*) AS n FROM operation WHERE database_id = ? AND kind = ? AND created_at BETWEEN ? AND ?",
        (database_id, kind, since, until),
    ).fetchone()
    return int(row["n"])


def prune(connection: Connection, now: float) -> None:
    """Forget what ended longer ago than its kind is kept."""
    for kind, policy in OPERATIONS.items():
        if policy.kept is not None:
            connection.execute(
                "DELETE FROM operation WHERE status IN ('done', 'error') AND kind = ? AND finished_at < ?",
                (kind, now - policy.kept),
            )


def count_by_status(connection: Connection) -> dict[tuple[str, str], int]:
    """How many operations of each (kind, status) are recorded."""
    rows = connection.execute("SELECT kind, status, count(*) AS n FROM operation GROUP BY kind, status").fetchall()
    return {(row["kind"], row["status"]): row["n"] for row in rows}


def marks(values: Sequence[object]) -> str:
    """The place holders of so many values: `?, ?, ?`."""
    return ", ".join("?" * len(values))


def _free(connection: Connection, most_held: int | None) -> tuple[str, dict[str, str]]:
    """The condition, and its values, that leaves those out which may be held up, when enough are being worked on."""
    if most_held is None:
        return "", {}
    query = (
        f"SELECT p.account_id, sum({_HELD}), sum({_WAITED}) FROM operation o{_OF_ACCOUNT}"
        f" WHERE o.{_ACTIVE} AND o.status = 'running' GROUP BY p.account_id"
    )
    claims, most = connection.execute(query).fetchall(), max(1, most_held - 1)
    left_out = f" AND NOT {_WAITED}" if sum(waited for _, _, waited in claims) >= most else ""
    if sum(held for _, held, _ in claims) >= most_held:
        return f"{left_out} AND NOT {_HELD}", {}
    full = [account for account, held, _ in claims if held >= most]
    values = {f"full{number}": account for number, account in enumerate(full)}
    return left_out + "".join(f" AND NOT ({_HELD} AND p.account_id = :{name})" for name in values), values


def _merged(operation: Operation, result: Mapping[str, object] | None) -> str:
    return json.dumps({**operation.result, **(result or {})})


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


def _one(row: Row | None) -> Operation | None:
    return _operation(row) if row else None


def _operation(row: Row) -> Operation:
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 (a Row iterates over values)
    values["status"] = OperationStatus(values["status"])
    values["params"], values["result"] = json.loads(values["params"]), json.loads(values["result"])
    values["progress"] = msgspec.json.decode(values["progress"], type=Progress) if values["progress"] else None
    return Operation(**values)
