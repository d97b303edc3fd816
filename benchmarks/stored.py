"""A home whose store already holds databases, put there by SQL: no server ever runs for them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from benchmarks.platform import serving

OWN = 100
"""Databases of the account that asks."""
_BATCH = 1000


def fill(home: Path, others: int, own: int = OWN) -> None:
    """A new home with `own` databases of the admin and so many of other accounts, `_BATCH` each."""
    with serving(home, spares="0"):
        pass  # it makes the schema, the admin and the token
    connection = sqlite3.connect(home / "state" / "dbyard.db", isolation_level=None)
    (project,) = connection.execute("SELECT id FROM project").fetchone()
    connection.execute("BEGIN")
    _insert(connection, "own", project, own)
    for number in range(others // _BATCH):
        _insert(connection, f"other-{number}", _open_account(connection, number), _BATCH)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def name_of(number: int, owner: str = "own") -> str:
    return f"{owner}-{number:06}"


def _open_account(connection: sqlite3.Connection, number: int) -> str:
    account, project = f"us-{number}", f"pr-{number}"
    connection.execute(
        "INSERT INTO account (id, username, email, created_at) VALUES (?, ?, ?, 0)",
        (account, f"user-{number}", f"{number}@localhost"),
    )
    connection.execute(
        "INSERT INTO project (id, account_id, name, is_default, created_at) VALUES (?, ?, 'default', 1, 0)",
        (project, account),
    )
    return project


def _insert(connection: sqlite3.Connection, owner: str, project: str, count: int) -> None:
    names = [name_of(number, owner) for number in range(count)]
    connection.executemany(
        "INSERT INTO database (id, name, project_id, technology, version, plan, created_at)"
        " VALUES (lower(hex(randomblob(12))), ?, ?, 'postgresql', '17', 'postgresql-starter-512', 0)",
        ((name, project) for name in names),
    )
    for statement in _DEPENDENTS:
        connection.executemany(f"{statement} FROM database WHERE name = ? AND deleted_at IS NULL", _rows(names))


def _rows(names: list[str]) -> Iterator[tuple[str]]:
    return ((name,) for name in names)


_DEPENDENTS = (
    "INSERT INTO instance (id, database_id, full_version) SELECT lower(hex(randomblob(12))), id, '17.10'",
    "INSERT INTO credential (database_id, username, dbname, password, certificate, private_key)"
    " SELECT id, 'user', 'user', zeroblob(60), hex(zeroblob(400)), zeroblob(270)",
    "INSERT INTO operation (id, database_id, kind, step, status, run_at, deadline_at, created_at, finished_at)"
    " SELECT lower(hex(randomblob(12))), id, 'create', 'secure', 'done', 0, 0, 0, 0",
)
