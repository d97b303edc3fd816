"""Queries on databases, their instances and credentials, and on answers kept for idempotency keys."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Row

from dbyard.model import Database, Instance, Principal
from dbyard.store import Connection

_COLUMNS = "d.id, d.name, d.project_id, d.technology, d.version, d.plan, d.created_at, d.deleted_at"
# The databases that a principal may use: those of projects that it owns or works in, as far as its token reaches.
_VISIBLE = f"""
  SELECT {_COLUMNS} FROM database d
  WHERE d.deleted_at IS NULL
  AND d.project_id IN (
    SELECT id FROM project WHERE account_id = :account
    UNION ALL SELECT project_id FROM collaborator WHERE account_id = :account
  )
  AND (:project IS NULL OR d.project_id = :project) AND (:database IS NULL OR d.id = :database)"""
_FAILED_EARLY = "(o.kind = 'update' AND o.status = 'error' AND o.step IN ('resize', 'stop'))"
"""An update that failed before it stopped the server, which runs on."""


@dataclass(frozen=True, slots=True)
class SealedCredential:
    """A tenant's access as it lies in the store; `password` and `private_key` open only for the same database."""

    username: str
    dbname: str
    password: bytes
    certificate: str
    private_key: bytes


@dataclass(frozen=True, slots=True)
class Access:
    """What decides whether a database can be used, and how; `password` is sealed."""

    host: str | None
    port: int | None
    ready_at: float | None
    username: str
    dbname: str
    password: bytes
    operation_id: str
    kind: str
    status: str
    error: str | None
    restriction: str
    restriction_reason: str | None
    rotating: bool
    """Whether the server may not have the password yet."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a database's status follows from, as of one moment; operations that leave it running are not looked at."""

    updated_at: float | None
    """When it was last given another name, project or plan."""
    ready_at: float | None
    status: str
    error: str | None
    changed_at: float | None
    """When another plan was last asked for."""
    changing: bool
    """Whether the operation for that is still active."""


def insert(connection: Connection, database: Database) -> None:
    connection.execute(
        "INSERT INTO database (id, name, project_id, technology, version, plan, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            database.id,
            database.name,
            database.project_id,
            database.technology,
            database.version,
            database.plan,
            database.created_at,
        ),
    )


def is_taken(connection: Connection, name: str) -> bool:
    row = connection.execute("SELECT 1 FROM database WHERE name = ? AND deleted_at IS NULL", (name,)).fetchone()
    return row is not None


def find(connection: Connection, principal: Principal, key: str) -> Database | None:
    """The principal's database of that id, else of that name; deleted ones are not there any more."""
    for column in ("id", "name"):
        row = connection.execute(f"{_VISIBLE} AND d.{column} = :key", _sight(principal) | {"key": key}).fetchone()
        if row is not None:
            return _database(row)
    return None


def list_visible(connection: Connection, principal: Principal) -> list[Database]:
    """The principal's databases, newest last."""
    rows = connection.execute(f"{_VISIBLE} ORDER BY d.seq", _sight(principal)).fetchall()
    return [_database(row) for row in rows]


def rename(connection: Connection, database_id: str, name: str, now: float) -> None:
    """Another name and nothing else: whoever is connected notices nothing."""
    connection.execute("UPDATE database SET name = ?, updated_at = ? WHERE id = ?", (name, now, database_id))


def move(connection: Connection, database_id: str, project_id: str, now: float) -> None:
    connection.execute(
        "UPDATE database SET project_id = ?, updated_at = ? WHERE id = ?", (project_id, now, database_id)
    )


def is_used(connection: Connection, project_id: str) -> bool:
    """Whether a database is in the project."""
    query = "SELECT 1 FROM database WHERE project_id = ? AND deleted_at IS NULL LIMIT 1"
    return connection.execute(query, (project_id,)).fetchone() is not None


def delete(connection: Connection, database_id: str, now: float) -> None:
    """From here on nobody finds the database, its name is free, and no older operation can act on its instances."""
    connection.execute("UPDATE database SET deleted_at = ? WHERE id = ?", (now, database_id))
    connection.execute("UPDATE instance SET generation = generation + 1 WHERE database_id = ?", (database_id,))


def count(connection: Connection) -> dict[tuple[str, str], int]:
    """How many databases of each (technology, plan) exist."""
    rows = connection.execute(
        "SELECT technology, plan, count(*) AS n FROM database WHERE deleted_at IS NULL GROUP BY technology, plan"
    ).fetchall()
    return {(row["technology"], row["plan"]): row["n"] for row in rows}


# ---- instances and credentials ----------------------------------------------------------------------------------


def insert_instance(connection: Connection, instance: Instance) -> None:
    connection.execute(
        "INSERT INTO instance (id, database_id, generation, full_version) VALUES (?, ?, ?, ?)",
        (instance.id, instance.database_id, instance.generation, instance.full_version),
    )


def insert_credential(connection: Connection, database_id: str, credential: SealedCredential) -> None:
    connection.execute(
        "INSERT INTO credential (database_id, username, dbname, password, certificate, private_key)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            database_id,
            credential.username,
            credential.dbname,
            credential.password,
            credential.certificate,
            credential.private_key,
        ),
    )


def access_of(connection: Connection, database_id: str) -> Access | None:
    """How a database is reached and what its last operation says, as of one moment; None when it was deleted.

    An operation that restricts its tenant leaves it running, whatever comes of it, and so does an update that fails
    before it has stopped the server.
    """
    row = connection.execute(
        "SELECT i.host, i.port, i.ready_at, c.username, c.dbname, c.password, o.id AS operation_id, o.kind, o.status,"
        " o.error,"
        " i.restriction, i.restriction_reason, c.rotating"
        " FROM database d JOIN instance i ON i.database_id = d.id JOIN credential c ON c.database_id = d.id"
        f" JOIN operation o ON o.database_id = d.id AND o.kind <> 'restrict' AND NOT {_FAILED_EARLY}"
        " WHERE d.id = ? AND d.deleted_at IS NULL"
        " ORDER BY o.seq DESC LIMIT 1",
        (database_id,),
    ).fetchone()
    return Access(*row) if row else None


def condition_of(connection: Connection, database_id: str) -> Condition | None:
    """None when the database was deleted."""
    changes = "SELECT {} FROM operation u WHERE u.database_id = d.id AND u.kind = 'update' ORDER BY u.seq DESC LIMIT 1"
    changed_at, changing = changes.format("u.created_at"), changes.format("u.status IN ('pending', 'running')")
    row = connection.execute(
        f"SELECT d.updated_at, i.ready_at, o.status, o.error, ({changed_at}), ifnull(({changing}), 0)"
        " FROM database d JOIN instance i ON i.database_id = d.id"
        f" JOIN operation o ON o.database_id = d.id AND o.kind NOT IN ('restrict', 'rotate') AND NOT {_FAILED_EARLY}"
        " WHERE d.id = ? AND d.deleted_at IS NULL ORDER BY o.seq DESC LIMIT 1",
        (database_id,),
    ).fetchone()
    return Condition(*row) if row else None


def credential_of(connection: Connection, database_id: str) -> SealedCredential | None:
    row = connection.execute(
        "SELECT username, dbname, password, certificate, private_key FROM credential WHERE database_id = ?",
        (database_id,),
    ).fetchone()
    return SealedCredential(*row) if row else None


def set_password(connection: Connection, database_id: str, password: bytes) -> None:
    """Another password, sealed; the server does not have it until `set_rotated`."""
    connection.execute(
        "UPDATE credential SET password = ?, rotating = 1 WHERE database_id = ?", (password, database_id)
    )


def set_rotated(connection: Connection, database_id: str) -> None:
    connection.execute("UPDATE credential SET rotating = 0 WHERE database_id = ?", (database_id,))


def is_rotating(connection: Connection, database_id: str) -> bool:
    """Whether the server may not have the tenant's password yet."""
    row = connection.execute(
        "SELECT 1 FROM credential WHERE database_id = ? AND rotating = 1", (database_id,)
    ).fetchone()
    return row is not None


def set_plan(connection: Connection, database_id: str, plan: str, now: float) -> None:
    """Another plan; the one before is what an update that fails goes back to, until `set_updated`."""
    connection.execute(
        "UPDATE database SET previous_plan = plan, plan = ?, updated_at = ? WHERE id = ?", (plan, now, database_id)
    )


def previous_plan_of(connection: Connection, database_id: str) -> str | None:
    """What an update that is under way goes back to."""
    row = connection.execute("SELECT previous_plan FROM database WHERE id = ?", (database_id,)).fetchone()
    return row["previous_plan"] if row else None


def set_updated(connection: Connection, database_id: str) -> None:
    """The server has the plan."""
    connection.execute("UPDATE database SET previous_plan = NULL WHERE id = ?", (database_id,))


def go_back(connection: Connection, database_id: str) -> None:
    """To the plan before, unless that is done."""
    connection.execute(
        "UPDATE database SET plan = previous_plan, previous_plan = NULL WHERE id = ? AND previous_plan IS NOT NULL",
        (database_id,),
    )


def get(connection: Connection, database_id: str) -> Database | None:
    """Any database whose row is still there, deleted or not."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM database d WHERE d.id = ?", (database_id,)).fetchone()
    return _database(row) if row else None


# ---- answers kept for idempotency keys --------------------------------------------------------------------------


def remember(
    connection: Connection, account_id: str, key: str, digest: bytes, database_id: str, body: bytes, now: float
) -> None:
    """Keep the answer to a create request under its key."""
    connection.execute(
        "INSERT INTO idempotency (account_id, key, digest, database_id, body, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        (account_id, key, digest, database_id, body, now),
    )


def recall(connection: Connection, account_id: str, key: str, since: float) -> tuple[bytes, bytes] | None:
    """The request's digest and the answer's body that were kept under the key at `since` or later."""
    row = connection.execute(
        "SELECT digest, body FROM idempotency WHERE account_id = ? AND key = ? AND created_at >= ?",
        (account_id, key, since),
    ).fetchone()
    return (row["digest"], row["body"]) if row else None


def forget_before(connection: Connection, since: float) -> None:
    connection.execute("DELETE FROM idempotency WHERE created_at < ?", (since,))


def forget_answers(connection: Connection, database_id: str) -> None:
    connection.execute("DELETE FROM idempotency WHERE database_id = ?", (database_id,))


def _sight(principal: Principal) -> dict[str, str | None]:
    return {"account": principal.account.id, "project": principal.project_id, "database": principal.database_id}


def _database(row: Row) -> Database:
    return Database(*row)
