"""Queries on accounts."""

from __future__ import annotations

from sqlite3 import Cursor

from dbyard.model import Account
from dbyard.store import Connection

_COLUMNS = "SELECT id, username, email, admin, disabled_at FROM account"


def get(connection: Connection, account_id: str) -> Account | None:
    return _one(connection.execute(f"{_COLUMNS} WHERE id = ?", (account_id,)))


def find_account(connection: Connection, username: str) -> Account | None:
    return _one(connection.execute(f"{_COLUMNS} WHERE username = ?", (username,)))


def find_by_email(connection: Connection, email: str) -> Account | None:
    """Upper and lower case are one."""
    return _one(connection.execute(f"{_COLUMNS} WHERE email = ? COLLATE NOCASE", (email,)))


def insert_account(connection: Connection, account: Account, now: float) -> None:
    connection.execute(
        "INSERT INTO account (id, username, email, admin, created_at) VALUES (?, ?, ?, ?, ?)",
        (account.id, account.username, account.email, account.admin, now),
    )


def _one(cursor: Cursor) -> Account | None:
    row = cursor.fetchone()
    return Account(row["id"], row["username"], row["email"], bool(row["admin"]), row["disabled_at"]) if row else None
