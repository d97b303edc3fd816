"""Queries on the answers that are kept for idempotency keys."""

from __future__ import annotations

from dbyard.store import Connection


def put(
    connection: Connection, account_id: str, key: str, digest: bytes, database_id: str, body: bytes, now: float
) -> None:
    """Keep the answer to a create request under its key."""
    connection.execute(
        "INSERT INTO idempotency (account_id, key, digest, database_id, body, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        (account_id, key, digest, database_id, body, now),
    )


def get(connection: Connection, account_id: str, key: str, since: float) -> tuple[bytes, bytes] | None:
    """The request's digest and the answer's body that were kept under the key at `since` or later."""
    row = connection.execute(
        "SELECT digest, body FROM idempotency WHERE account_id = ? AND key = ? AND created_at >= ?",
        (account_id, key, since),
    ).fetchone()
    return (row["digest"], row["body"]) if row else None


def delete_before(connection: Connection, since: float) -> None:
    connection.execute("DELETE FROM idempotency WHERE created_at < ?", (since,))


def delete_for(connection: Connection, database_id: str) -> None:
    connection.execute("DELETE FROM idempotency WHERE database_id = ?", (database_id,))
