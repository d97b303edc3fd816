"""Queries on idempotency keys: which database a create request made, and how it was then."""

from __future__ import annotations

import json
from dataclasses import replace

from dbyard.model import Database
from dbyard.store import Connection, databases

_CHANGING = ("name", "project_id", "plan")
"""What may have changed since; the rest of the database is still as it was."""


def put(connection: Connection, account_id: str, key: str, digest: bytes, database: Database, now: float) -> None:
    """Keep what a create request with the body of that digest made."""
    body = json.dumps({name: getattr(database, name) for name in _CHANGING}).encode()
    connection.execute(
        "INSERT INTO idempotency (account_id, key, digest, database_id, body, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        (account_id, key, digest, database.id, body, now),
    )


def get(connection: Connection, account_id: str, key: str, since: float) -> tuple[bytes, Database] | None:
    """The digest of the request's body and the database as it was created, if that was at `since` or later."""
    row = connection.execute(
        "SELECT digest, database_id, body FROM idempotency WHERE account_id = ? AND key = ? AND created_at >= ?",
        (account_id, key, since),
    ).fetchone()
    database = databases.get(connection, row["database_id"]) if row else None
    if database is None:
        return None
    body = json.loads(row["body"])
    then = body.get("database", body)  # older versions of the platform kept the whole answer
    return row["digest"], replace(database, **{name: then[name] for name in _CHANGING})


def delete_before(connection: Connection, since: float) -> None:
    connection.execute("DELETE FROM idempotency WHERE created_at < ?", (since,))


def delete_for(connection: Connection, database_id: str) -> None:
    connection.execute("DELETE FROM idempotency WHERE database_id = ?", (database_id,))
