"""Queries on accounts, their projects and their tokens."""

from __future__ import annotations

from dbyard.model import Account, Principal, Project, Token
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


# ---- tokens -----------------------------------------------------------------------------------------------------


def insert_token(connection: Connection, account_id: str, token: Token, digest: bytes) -> None:
    connection.execute(
        "INSERT INTO token (id, account_id, name, digest, created_at) VALUES (?, ?, ?, ?, ?)",
        (token.id, account_id, token.name, digest, token.created_at),
    )


def find_principal(connection: Connection, digest: bytes) -> Principal | None:
    """Whose token has this digest."""
    row = connection.execute(
        "SELECT a.id, a.username, a.email, a.admin, t.id AS token_id"
        " FROM token t JOIN account a ON a.id = t.account_id WHERE t.digest = ?",
        (digest,),
    ).fetchone()
    if row is None:
        return None
    return Principal(Account(row["id"], row["username"], row["email"], bool(row["admin"])), row["token_id"])


def list_tokens(connection: Connection, account_id: str) -> list[Token]:
    """Oldest first."""
    rows = connection.execute(
        "SELECT id, name, created_at, last_used_at FROM token WHERE account_id = ? ORDER BY created_at, rowid",
        (account_id,),
    ).fetchall()
    return [Token(row["id"], row["name"], row["created_at"], row["last_used_at"]) for row in rows]


def delete_token(connection: Connection, account_id: str, token_id: str) -> bytes | None:
    """Revoke a token of the account; its digest, or None when there is no such token."""
    row = connection.execute(
        "DELETE FROM token WHERE account_id = ? AND id = ? RETURNING digest", (account_id, token_id)
    ).fetchone()
    return row["digest"] if row else None


def touch_token(connection: Connection, token_id: str, now: float) -> None:
    connection.execute("UPDATE token SET last_used_at = ? WHERE id = ?", (now, token_id))
