"""Queries on the logins of a database beside the one that it was made with. Passwords are sealed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from sqlite3 import Row

from dbyard.secrets import Box
from dbyard.store import Connection

_COLUMNS = "database_id, name, read_only, password, pending, login_error, created_at, removed_at"


@dataclass(frozen=True, slots=True)
class SealedUser:
    """A login as it lies in the store; `password` opens only for the same database and name.

    One with `removed_at` is to be gone from the server, where data of an earlier time may have it again.
    """

    database_id: str
    name: str
    read_only: bool
    password: bytes
    created_at: float
    pending: bool = True
    """Whether the server may not have this yet."""
    login_error: str | None = None
    removed_at: float | None = None


def seal_password(box: Box, database_id: str, name: str, password: str) -> bytes:
    return box.seal(password, table="database_user", column="password", row=f"{database_id}/{name}")


def open_password(box: Box, user: SealedUser) -> str:
    """Raises ConfigError under another master key."""
    return box.open(user.password, table="database_user", column="password", row=f"{user.database_id}/{user.name}")


def list_for(connection: Connection, database_id: str) -> list[SealedUser]:
    """Those that there are, by name."""
    query = f"SELECT {_COLUMNS} FROM database_user WHERE database_id = ? AND removed_at IS NULL ORDER BY name"
    return [_user(row) for row in connection.execute(query, (database_id,))]


def list_removed(connection: Connection, database_id: str) -> list[SealedUser]:
    """Those that there were."""
    query = f"SELECT {_COLUMNS} FROM database_user WHERE database_id = ? AND removed_at IS NOT NULL ORDER BY name"
    return [_user(row) for row in connection.execute(query, (database_id,))]


def get(connection: Connection, database_id: str, name: str) -> SealedUser | None:
    """Also one that was removed."""
    query = f"SELECT {_COLUMNS} FROM database_user WHERE database_id = ? AND name = ?"
    row = connection.execute(query, (database_id, name)).fetchone()
    return _user(row) if row else None


def put(connection: Connection, user: SealedUser) -> None:
    """In the place of one of that name."""
    connection.execute(
        f"INSERT OR REPLACE INTO database_user ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            user.database_id,
            user.name,
            user.read_only,
            user.password,
            user.pending,
            user.login_error,
            user.created_at,
            user.removed_at,
        ),
    )


def set_password(connection: Connection, database_id: str, name: str, password: bytes) -> None:
    """Another password, sealed; it is pending until the server is known to have it."""
    connection.execute(
        "UPDATE database_user SET password = ?, pending = 1 WHERE database_id = ? AND name = ?",
        (password, database_id, name),
    )


def remove(connection: Connection, database_id: str, name: str, now: float) -> None:
    connection.execute(
        "UPDATE database_user SET removed_at = ?, pending = 1, login_error = NULL WHERE database_id = ? AND name = ?",
        (now, database_id, name),
    )


def set_all_pending(connection: Connection, database_id: str) -> None:
    """The server has other data now: whatever users those have, these are to be there, and with these passwords."""
    connection.execute("UPDATE database_user SET pending = 1 WHERE database_id = ?", (database_id,))


def set_applied(connection: Connection, users: Iterable[SealedUser]) -> None:
    """The server has these, each with what is said of its login; what was changed meanwhile stays pending."""
    for user in users:
        connection.execute(
            "UPDATE database_user SET pending = 0, login_error = ?"
            " WHERE database_id = ? AND name = ? AND password = ? AND removed_at IS ?",
            (user.login_error, user.database_id, user.name, user.password, user.removed_at),
        )


def _user(row: Row) -> SealedUser:
    return SealedUser(
        database_id=row["database_id"],
        name=row["name"],
        read_only=bool(row["read_only"]),
        password=row["password"],
        created_at=row["created_at"],
        pending=bool(row["pending"]),
        login_error=row["login_error"],
        removed_at=row["removed_at"],
    )
