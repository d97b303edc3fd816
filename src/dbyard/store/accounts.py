"""Queries on accounts and their projects."""

from __future__ import annotations

from dbyard.model import Account, Project
from dbyard.store import Connection


def find_account(connection: Connection, username: str) -> Account | None:
    row = connection.execute(
        "SELECT id, username, email, admin FROM account WHERE username = ?", (username,)
    ).fetchone()
    return Account(row["id"], row["username"], row["email"], bool(row["admin"])) if row else None


def insert_account(connection: Connection, account: Account, now: float) -> None:
    connection.execute(
        "INSERT INTO account (id, username, email, admin, created_at) VALUES (?, ?, ?, ?, ?)",
        (account.id, account.username, account.email, account.admin, now),
    )


def insert_project(connection: Connection, project: Project, now: float) -> None:
    connection.execute(
        "INSERT INTO project (id, account_id, name, is_default, created_at) VALUES (?, ?, ?, ?, ?)",
        (project.id, project.account_id, project.name, project.default, now),
    )


def find_project(connection: Connection, account_id: str, project_id: str | None) -> Project | None:
    """The account's project of that id, or its default one when no id is given."""
    columns = "SELECT id, account_id, name, is_default FROM project WHERE account_id = ?"
    if project_id is None:
        row = connection.execute(f"{columns} AND is_default = 1", (account_id,)).fetchone()
    else:
        row = connection.execute(f"{columns} AND id = ?", (account_id, project_id)).fetchone()
    return Project(row["id"], row["account_id"], row["name"], bool(row["is_default"])) if row else None


def owner_of(connection: Connection, project_id: str) -> str | None:
    """The id of the account whose project it is."""
    row = connection.execute("SELECT account_id FROM project WHERE id = ?", (project_id,)).fetchone()
    return row["account_id"] if row else None


def get_project(connection: Connection, project_id: str) -> tuple[Project, Account]:
    """A project that some database is in, and whose it is."""
    row = connection.execute(
        "SELECT p.id, p.account_id, p.name, p.is_default, a.username, a.email, a.admin"
        " FROM project p JOIN account a ON a.id = p.account_id WHERE p.id = ?",
        (project_id,),
    ).fetchone()
    account = Account(row["account_id"], row["username"], row["email"], bool(row["admin"]))
    return Project(row["id"], row["account_id"], row["name"], bool(row["is_default"])), account
