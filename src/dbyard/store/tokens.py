"""Queries on API tokens: their owners and what they may do. Only the digest of a token's value is kept."""

from __future__ import annotations

from dataclasses import dataclass
from sqlite3 import Row

from dbyard.model import Account, Principal, Scope, Token
from dbyard.store import Connection

_COLUMNS = "id, name, created_at, last_used_at, scope, project_id, expires_at, issued_at"
_PRINCIPAL = (
    "SELECT a.id, a.username, a.email, a.admin, t.id AS token_id, t.scope, t.project_id, t.expires_at, t.digest"
    " FROM token t JOIN account a ON a.id = t.account_id AND a.disabled_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class TokenOwner:
    """The principal of a token, and the digest of its present value. A disabled account owns none."""

    principal: Principal
    digest: bytes


def insert(connection: Connection, account_id: str, token: Token, digest: bytes) -> None:
    connection.execute(
        "INSERT INTO token (id, account_id, name, digest, created_at, scope, project_id, expires_at, issued_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            token.id,
            account_id,
            token.name,
            digest,
            token.created_at,
            token.scope,
            token.project_id,
            token.expires_at,
            token.created_at if token.issued_at is None else token.issued_at,
        ),
    )


def find_owner(connection: Connection, digest: bytes) -> TokenOwner | None:
    """The owner of the token whose value has this digest."""
    return _owner(connection.execute(f"{_PRINCIPAL} WHERE t.digest = ?", (digest,)).fetchone())


def owner_of(connection: Connection, token_id: str) -> TokenOwner | None:
    return _owner(connection.execute(f"{_PRINCIPAL} WHERE t.id = ?", (token_id,)).fetchone())


def list_all(connection: Connection, account_id: str, project_id: str | None = None) -> list[Token]:
    """The account's, oldest first; only those of a project when one is given."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM token WHERE account_id = ?1 AND (?2 IS NULL OR project_id = ?2)"
        " ORDER BY created_at, rowid",
        (account_id, project_id),
    ).fetchall()
    return [_token(row) for row in rows]


def find(
    connection: Connection, account_id: str, token_id: str, project_id: str | None = None
) -> tuple[Token, bytes] | None:
    """The account's token of that id and the digest of its value; only one of the project when that is given."""
    row = connection.execute(
        f"SELECT {_COLUMNS}, digest FROM token WHERE id = ?2 AND account_id = ?1 AND (?3 IS NULL OR project_id = ?3)",
        (account_id, token_id, project_id),
    ).fetchone()
    return (_token(row), row["digest"]) if row else None


def delete(connection: Connection, token_id: str) -> None:
    connection.execute("DELETE FROM token WHERE id = ?", (token_id,))


def renew(connection: Connection, token: Token, digest: bytes) -> None:
    """Give a token the value of that digest, its end and its time of issue."""
    connection.execute(
        "UPDATE token SET digest = ?, expires_at = ?, issued_at = ? WHERE id = ?",
        (digest, token.expires_at, token.issued_at, token.id),
    )


def touch(connection: Connection, token_id: str, now: float) -> None:
    connection.execute("UPDATE token SET last_used_at = ? WHERE id = ?", (now, token_id))


def _owner(row: Row | None) -> TokenOwner | None:
    if row is None:
        return None
    account = Account(row["id"], row["username"], row["email"], bool(row["admin"]))
    principal = Principal(
        account, row["token_id"], Scope(row["scope"]), row["project_id"], expires_at=row["expires_at"]
    )
    return TokenOwner(principal, row["digest"])


def _token(row: Row) -> Token:
    return Token(
        row["id"],
        row["name"],
        row["created_at"],
        row["last_used_at"],
        Scope(row["scope"]),
        row["project_id"],
        row["expires_at"],
        row["issued_at"],
    )
