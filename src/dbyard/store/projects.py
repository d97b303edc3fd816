"""Queries on projects."""

from __future__ import annotations

from sqlite3 import Row

from dbyard.model import Account, Project
from dbyard.store import Connection

_ACCOUNT = "SELECT id, username, email, admin, disabled_at FROM account"
_COLUMNS = "SELECT id, account_id, name, is_default, created_at, updated_at FROM project"


def insert(connection: Connection, project: Project) -> None:
    connection.execute(
        "INSERT INTO project (id, account_id, name, is_default, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?)",
        (project.id, project.account_id, project.name, project.default, project.created_at, project.updated_at),
    )


def get(connection: Connection, project_id: str) -> tuple[Project, Account]:
    """A project that some database is in, and whose it is."""
    row = connection.execute(f"{_COLUMNS} WHERE id = ?", (project_id,)).fetchone()
    owner = connection.execute(f"{_ACCOUNT} WHERE id = ?", (row["account_id"],)).fetchone()
    return _project(row), _account(owner)


def find(connection: Connection, account_id: str, project_id: str | None) -> Project | None:
    """The account's own project of that id, or its default one when no id is given."""
    if project_id is None:
        row = connection.execute(f"{_COLUMNS} WHERE account_id = ? AND is_default = 1", (account_id,)).fetchone()
    else:
        row = connection.execute(f"{_COLUMNS} WHERE account_id = ? AND id = ?", (account_id, project_id)).fetchone()
    return _project(row) if row else None


def list_owned(connection: Connection, account_id: str) -> list[Project]:
    """Oldest first."""
    rows = connection.execute(f"{_COLUMNS} WHERE account_id = ? ORDER BY created_at, rowid", (account_id,)).fetchall()
    return [_project(row) for row in rows]


def clear_default(connection: Connection, account_id: str, now: float) -> None:
    """Another one becomes the default in the same transaction."""
    connection.execute(
        "UPDATE project SET is_default = 0, updated_at = ? WHERE account_id = ? AND is_default = 1", (now, account_id)
    )


def update(connection: Connection, project: Project) -> None:
    connection.execute(
        "UPDATE project SET name = ?, is_default = ?, updated_at = ? WHERE id = ?",
        (project.name, project.default, project.updated_at, project.id),
    )


def delete(connection: Connection, project: Project) -> None:
    """An empty one. Databases that are on their way out, and backups, go on with the owner's default project."""
    connection.execute(
        "UPDATE database SET project_id = (SELECT id FROM project WHERE account_id = ? AND is_default = 1)"
        " WHERE project_id = ? AND deleted_at IS NOT NULL",
        (project.account_id, project.id),
    )
    connection.execute(
        "UPDATE backup SET project_id = (SELECT id FROM project WHERE account_id = ? AND is_default = 1)"
        " WHERE project_id = ?",
        (project.account_id, project.id),
    )
    connection.execute("DELETE FROM project WHERE id = ?", (project.id,))


def owner_of(connection: Connection, project_id: str) -> str | None:
    """The id of the account whose project it is."""
    row = connection.execute("SELECT account_id FROM project WHERE id = ?", (project_id,)).fetchone()
    return row["account_id"] if row else None


def _project(row: Row) -> Project:
    return Project(
        row["id"], row["account_id"], row["name"], bool(row["is_default"]), row["created_at"], row["updated_at"]
    )


def _account(row: Row) -> Account:
    return Account(row["id"], row["username"], row["email"], bool(row["admin"]), row["disabled_at"])
