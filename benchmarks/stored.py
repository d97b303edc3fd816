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
    insert(connection, "own", project, own)
    for number in range(others // _BATCH):
        insert(connection, f"other-{number}", _open_account(connection, number), _BATCH)
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


def insert(connection: sqlite3.Connection, owner: str, project: str, count: int) -> None:
    """So many databases of a project, with all that is stored of each."""
    names = [name_of(number, owner) for number in range(count)]
    connection.executemany(
        "INSERT INTO database (id, name, project_id, technology, version, plan, created_at)"
        " VALUES (lower(hex(randomblob(12))), ?, ?, 'postgresql', '17', 'postgresql-starter-512', 0)",
        ((name, project) for name in names),
    )
    for statement in _DEPENDENTS:
        connection.executemany(f"{statement} WHERE name = ? AND deleted_at IS NULL", _rows(names))


def _rows(names: list[str]) -> Iterator[tuple[str]]:
    return ((name,) for name in names)


_DEPENDENTS = (
    "INSERT INTO instance (id, database_id, full_version, certificate, private_key, certificate_ends_at)"
    " SELECT lower(hex(randomblob(12))), id, '17.10', hex(zeroblob(400)), zeroblob(270), 1e12 FROM database",
    "INSERT INTO endpoint (id, database_id, role, instance_id)"
    " SELECT lower(hex(randomblob(12))), database.id, 'primary', instance.id"
    " FROM instance JOIN database ON database.id = instance.database_id",
    "INSERT INTO credential (database_id, username, dbname, password)"
    " SELECT id, 'user', 'user', zeroblob(60) FROM database",
    "INSERT INTO operation (id, database_id, kind, step, status, run_at, deadline_at, created_at, finished_at)"
    " SELECT lower(hex(randomblob(12))), id, 'create', 'configure', 'done', 0, 0, 0, 0 FROM database",
)
