"""Queries on collaborators: who may use a project's databases, or one database, beside their owner."""

from __future__ import annotations

from dataclasses import dataclass

from dbyard.model import Access, Account, Database
from dbyard.store import Connection


@dataclass(frozen=True, slots=True)
class Shared:
    """What is shared: a project with all its databases, or one database."""

    table: str
    column: str
    id: str


def of_project(project_id: str) -> Shared:
    return Shared("project_collaborator", "project_id", project_id)


def of_database(database_id: str) -> Shared:
    return Shared("database_collaborator", "database_id", database_id)


def add(connection: Connection, shared: Shared, account_id: str, limited: bool, now: float) -> bool:
    """Whether that is new."""
    done = connection.execute(
        f"INSERT INTO {shared.table} ({shared.column}, account_id, limited, created_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (shared.id, account_id, limited, now),
    )
    return done.rowcount == 1


def set_limited(connection: Connection, shared: Shared, account_id: str, limited: bool) -> bool:
    """Whether there is such a collaborator."""
    done = connection.execute(
        f"UPDATE {shared.table} SET limited = ? WHERE {shared.column} = ? AND account_id = ?",
        (limited, shared.id, account_id),
    )
    return done.rowcount == 1


def remove(connection: Connection, shared: Shared, account_id: str) -> bool:
    """Whether there was one."""
    done = connection.execute(
        f"DELETE FROM {shared.table} WHERE {shared.column} = ? AND account_id = ?", (shared.id, account_id)
    )
    return done.rowcount == 1


def has(connection: Connection, shared: Shared, account_id: str) -> bool:
    query = f"SELECT 1 FROM {shared.table} WHERE {shared.column} = ? AND account_id = ?"
    return connection.execute(query, (shared.id, account_id)).fetchone() is not None


def list_all(connection: Connection, shared: Shared) -> list[tuple[Account, bool]]:
    """Each account and whether it is limited, oldest collaboration first."""
    rows = connection.execute(
        "SELECT id, username, email, admin, disabled_at, limited FROM account"
        f" JOIN {shared.table} c ON c.account_id = id WHERE c.{shared.column} = ? ORDER BY c.created_at, id",
        (shared.id,),
    ).fetchall()
    return [
        (
            Account(row["id"], row["username"], row["email"], bool(row["admin"]), row["disabled_at"]),
            bool(row["limited"]),
        )
        for row in rows
    ]


def access_of(connection: Connection, account_id: str, database: Database) -> Access | None:
    """What the account may do with the database; None for nothing at all."""
    values = {
        "account": account_id,
        "project": database.project_id,
        "database": database.id,
        "own": Access.OWN,
        "change": Access.CHANGE,
        "use": Access.USE,
    }
    (found,) = connection.execute(
        "SELECT max(access) FROM ("
        " SELECT :own AS access FROM project WHERE id = :project AND account_id = :account"
        " UNION ALL SELECT iif(limited, :use, :change) FROM project_collaborator"
        " WHERE project_id = :project AND account_id = :account"
        " UNION ALL SELECT iif(limited, :use, :change) FROM database_collaborator"
        " WHERE database_id = :database AND account_id = :account)",
        values,
    ).fetchone()
    return None if found is None else Access(found)
