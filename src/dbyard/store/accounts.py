"""Queries on accounts."""

from __future__ import annotations

from sqlite3 import Cursor, Row

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


def find_login(connection: Connection, name: str) -> tuple[Account, str | None] | None:
    """The account of that username or e-mail address that is not disabled, and the hash of its password."""
    row = connection.execute(
        "SELECT id, password FROM account WHERE disabled_at IS NULL AND (username = ?1 OR email = ?1 COLLATE NOCASE)",
        (name,),
    ).fetchone()
    account = get(connection, row["id"]) if row else None
    return (account, row["password"]) if account else None


def list_all(connection: Connection) -> list[Account]:
    """Oldest first."""
    return [_account(row) for row in connection.execute(f"{_COLUMNS} ORDER BY created_at, rowid")]


def has_other_admin(connection: Connection, account_id: str) -> bool:
    """Whether an administrator beside this one is not disabled."""
    query = "SELECT 1 FROM account WHERE admin = 1 AND disabled_at IS NULL AND id <> ?"
    return connection.execute(query, (account_id,)).fetchone() is not None


def set_disabled(connection: Connection, account_id: str, at: float | None) -> None:
    connection.execute("UPDATE account SET disabled_at = ? WHERE id = ?", (at, account_id))


def set_password(connection: Connection, account_id: str, hashed: str) -> None:
    connection.execute("UPDATE account SET password = ? WHERE id = ?", (hashed, account_id))


def insert_account(connection: Connection, account: Account, now: float, hashed: str | None = None) -> None:
    """`hashed` is of its password, if it has one."""
    connection.execute(
        "INSERT INTO account (id, username, email, admin, created_at, password) VALUES (?, ?, ?, ?, ?, ?)",
        (account.id, account.username, account.email, account.admin, now, hashed),
    )


def _one(cursor: Cursor) -> Account | None:
    row = cursor.fetchone()
    return _account(row) if row else None


def _account(row: Row) -> Account:
    return Account(row["id"], row["username"], row["email"], bool(row["admin"]), row["disabled_at"])
