"""Queries on databases themselves: who sees which, their names, projects and plans."""

from __future__ import annotations

import json
from dataclasses import dataclass
from sqlite3 import Row

from dbyard.model import Database, Principal, Settings, Version
from dbyard.store import Connection

_COLUMNS = "d.id, d.name, d.project_id, d.technology, d.version, d.plan, d.created_at, d.deleted_at, d.settings"
# The databases that a principal may use: those of projects that it owns or works in, and those that are shared with it
# alone, as far as its token reaches.
_PROJECTS = """
    SELECT id FROM project WHERE account_id = :account
    UNION ALL SELECT project_id FROM project_collaborator WHERE account_id = :account"""
_SHARED = "SELECT database_id FROM database_collaborator WHERE account_id = :account"
_VISIBLE = f"""
  SELECT {_COLUMNS} FROM database d
  WHERE d.deleted_at IS NULL AND (:project IS NULL OR d.project_id = :project)
  AND (:database IS NULL OR d.id = :database)"""


def insert(connection: Connection, database: Database) -> None:
    connection.execute(
        "INSERT INTO database (id, name, project_id, technology, version, plan, created_at, settings)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            database.id,
            database.name,
            database.project_id,
            database.technology,
            database.version,
            database.plan,
            database.created_at,
            write_settings(database.settings),
        ),
    )


def get(connection: Connection, database_id: str) -> Database | None:
    """Any database whose row is still there, deleted or not."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM database d WHERE d.id = ?", (database_id,)).fetchone()
    return _database(row) if row else None


def find(connection: Connection, principal: Principal, key: str) -> Database | None:
    """The principal's database of that id, else of that name; deleted ones are not there any more."""
    for column in ("id", "name"):
        row = connection.execute(
            f"{_VISIBLE} AND d.{column} = :key AND (d.project_id IN ({_PROJECTS}) OR d.id IN ({_SHARED}))",
            _visibility(principal) | {"key": key},
        ).fetchone()
        if row is not None:
            return _database(row)
    return None


def list_visible(connection: Connection, principal: Principal) -> list[Database]:
    """The principal's databases, newest last."""
    rows = connection.execute(
        f"{_VISIBLE} AND d.seq IN ("
        f" SELECT seq FROM database WHERE deleted_at IS NULL AND project_id IN ({_PROJECTS})"
        f" UNION ALL SELECT seq FROM database WHERE id IN ({_SHARED})) ORDER BY d.seq",
        _visibility(principal),
    ).fetchall()
    return [_database(row) for row in rows]


def list_all(connection: Connection) -> list[Database]:
    """Of all accounts, oldest first; deleted ones are left out."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM database d WHERE d.deleted_at IS NULL ORDER BY d.seq")
    return [_database(row) for row in rows]


def list_ids(connection: Connection) -> set[str]:
    """Of all whose row is still there, deleted or not."""
    return {row["id"] for row in connection.execute("SELECT id FROM database")}


def list_undeleted(connection: Connection) -> list[str]:
    """The ids of deleted databases whose delete operation has ended without removing them."""
    rows = connection.execute(
        "SELECT id FROM database d WHERE deleted_at IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM operation o WHERE o.database_id = d.id AND o.status IN ('pending', 'running'))"
    ).fetchall()
    return [row["id"] for row in rows]


def is_taken(connection: Connection, name: str) -> bool:
    row = connection.execute("SELECT 1 FROM database WHERE name = ? AND deleted_at IS NULL", (name,)).fetchone()
    return row is not None


def has_project(connection: Connection, project_id: str) -> bool:
    """Whether a database is in the project."""
    query = "SELECT 1 FROM database WHERE project_id = ? AND deleted_at IS NULL LIMIT 1"
    return connection.execute(query, (project_id,)).fetchone() is not None


def has_version(connection: Connection, version: Version) -> bool:
    """Whether any database has this version of a server."""
    row = connection.execute(
        "SELECT 1 FROM database WHERE technology = ? AND version = ? AND deleted_at IS NULL LIMIT 1",
        (version.technology, version.version),
    ).fetchone()
    return row is not None


@dataclass(frozen=True, slots=True)
class Created:
    """A create of a database; `number` counts them, so that a later one has a greater one."""

    number: int
    version: str
    plan: str


def list_created_after(connection: Connection, number: int) -> dict[str, Created]:
    """The last create of each technology by its slug, of those after that number."""
    rows = connection.execute(
        "SELECT technology, seq, version, plan FROM database WHERE seq > ? ORDER BY seq", (number,)
    )
    return {technology: Created(*fields) for technology, *fields in rows}


def rename(connection: Connection, database_id: str, name: str, now: float) -> None:
    """Another name and nothing else: clients that are connected notice nothing."""
    connection.execute("UPDATE database SET name = ?, updated_at = ? WHERE id = ?", (name, now, database_id))


def move(connection: Connection, database_id: str, project_id: str, now: float) -> None:
    connection.execute(
        "UPDATE database SET project_id = ?, updated_at = ? WHERE id = ?", (project_id, now, database_id)
    )


def set_plan(connection: Connection, database_id: str, plan: str, now: float) -> None:
    """The plan that its server is brought to by an operation."""
    connection.execute("UPDATE database SET plan = ?, updated_at = ? WHERE id = ?", (plan, now, database_id))


def set_settings(connection: Connection, database_id: str, settings: Settings, now: float) -> None:
    """The settings that its server is brought to by an operation."""
    connection.execute(
        "UPDATE database SET settings = ?, updated_at = ? WHERE id = ?", (write_settings(settings), now, database_id)
    )


def write_settings(settings: Settings) -> str:
    """As they are stored: the same settings are the same text."""
    return json.dumps(dict(settings), sort_keys=True)


def revert_plan(connection: Connection, database_id: str, plan: str) -> None:
    """Back to the plan that it had: its server does not run with the other."""
    connection.execute("UPDATE database SET plan = ? WHERE id = ?", (plan, database_id))


def delete(connection: Connection, database_id: str, now: float) -> None:
    """From here on nothing finds the database, its name is free, and no older operation can act on its instances."""
    connection.execute("UPDATE database SET deleted_at = ? WHERE id = ?", (now, database_id))
    connection.execute("UPDATE instance SET generation = generation + 1 WHERE database_id = ?", (database_id,))
    connection.execute(
        "UPDATE backup SET project_id = (SELECT project_id FROM database WHERE id = ?1) WHERE database_id = ?1",
        (database_id,),
    )


def forget(connection: Connection, database_id: str) -> None:
    """Remove a deleted database and everything that hangs on it."""
    connection.execute("DELETE FROM database WHERE id = ? AND deleted_at IS NOT NULL", (database_id,))


def count(connection: Connection) -> dict[tuple[str, str], int]:
    """How many databases of each (technology, plan) exist."""
    rows = connection.execute(
        "SELECT technology, plan, count(*) AS n FROM database WHERE deleted_at IS NULL GROUP BY technology, plan"
    ).fetchall()
    return {(row["technology"], row["plan"]): row["n"] for row in rows}


def _visibility(principal: Principal) -> dict[str, str | None]:
    return {"account": principal.account.id, "project": principal.project_id, "database": principal.database_id}


def _database(row: Row) -> Database:
    values = {name: row[name] for name in row.keys()}  # noqa: SIM118 (a Row iterates over values)
    return Database(**{**values, "settings": json.loads(row["settings"])})
