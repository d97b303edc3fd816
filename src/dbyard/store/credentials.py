"""Queries on credentials: how the tenant of a database logs in. Passwords are sealed."""

from __future__ import annotations

from dataclasses import dataclass

from dbyard.secrets import Box
from dbyard.store import Connection


@dataclass(frozen=True, slots=True)
class SealedCredential:
    """A tenant's access as it lies in the store; `password` opens only for the same database."""

    username: str
    dbname: str
    password: bytes
    pending: bool = False
    """Whether the server may not have the password yet."""


def seal_password(box: Box, database_id: str, password: str) -> bytes:
    return box.seal(password, table="credential", column="password", row=database_id)


def open_password(box: Box, database_id: str, credential: SealedCredential) -> str:
    """Raises ConfigError under another master key."""
    return box.open(credential.password, table="credential", column="password", row=database_id)


def insert(connection: Connection, database_id: str, credential: SealedCredential) -> None:
    connection.execute(
        "INSERT INTO credential (database_id, username, dbname, password) VALUES (?, ?, ?, ?)",
        (database_id, credential.username, credential.dbname, credential.password),
    )


def get(connection: Connection, database_id: str) -> SealedCredential | None:
    row = connection.execute(
        "SELECT username, dbname, password, pending FROM credential WHERE database_id = ?", (database_id,)
    ).fetchone()
    return SealedCredential(row["username"], row["dbname"], row["password"], bool(row["pending"])) if row else None


def any_sealed(connection: Connection) -> tuple[str, SealedCredential] | None:
    """Some database's, with its id; None when there is none."""
    row = connection.execute("SELECT database_id FROM credential LIMIT 1").fetchone()
    found = get(connection, row["database_id"]) if row else None
    return (row["database_id"], found) if found else None


def set_password(connection: Connection, database_id: str, password: bytes) -> None:
    """Another password, sealed; it is pending until the server is known to have it."""
    connection.execute("UPDATE credential SET password = ?, pending = 1 WHERE database_id = ?", (password, database_id))


def set_pending(connection: Connection, database_id: str) -> None:
    """It is not certain that the server has the password."""
    connection.execute("UPDATE credential SET pending = 1 WHERE database_id = ?", (database_id,))


def set_applied(connection: Connection, database_id: str, password: bytes) -> None:
    """The server has this password; another one that came meanwhile stays pending."""
    connection.execute(
        "UPDATE credential SET pending = 0 WHERE database_id = ? AND password = ?", (database_id, password)
    )
