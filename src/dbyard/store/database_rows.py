"""All rows that make up one database, as they are stored: taken out of one state, and put into another.

They are what a lost state is rebuilt from. Tokens and events are not among them, nor what operations are at work.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from dbyard.store import Connection, migrate

Row = Mapping[str, object]
Rows = Mapping[str, Sequence[Row]]
"""By table; bytes are as they are, sealed or not."""

_INVOLVED = """
    SELECT d.id, p.account_id FROM database d JOIN project p ON p.id = d.project_id
    UNION SELECT d.id, c.account_id FROM database d JOIN project_collaborator c ON c.project_id = d.project_id
    UNION SELECT database_id, account_id FROM database_collaborator"""
# Table -> the rows of it that belong to a database, in the order in which they can be inserted.
_SHARED = {
    "account": f"SELECT i.id AS database_of, a.* FROM ({_INVOLVED}) i JOIN account a ON a.id = i.account_id",
    "project": "SELECT d.id AS database_of, p.* FROM database d JOIN project p ON p.id = d.project_id",
    "project_collaborator": "SELECT d.id AS database_of, c.* FROM database d"
    " JOIN project_collaborator c ON c.project_id = d.project_id",
}
_OWN = {
    "database": "SELECT id AS database_of, * FROM database",
    "instance": "SELECT database_id AS database_of, * FROM instance WHERE role <> 'scratch'",
    "endpoint": "SELECT database_id AS database_of, * FROM endpoint",
    "credential": "SELECT database_id AS database_of, * FROM credential",
    "database_user": "SELECT database_id AS database_of, * FROM database_user",
    "database_collaborator": "SELECT database_id AS database_of, * FROM database_collaborator",
    "backup_schedule": "SELECT database_id AS database_of, * FROM backup_schedule",
}
_LEFT_OUT = ("database_of", "seq")
_REPLACED = [table for table in _OWN if table != "database"]


def schema(connection: Connection) -> int:
    """The number of the schema that the rows have."""
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    return int(number)


def load_all(connection: Connection) -> dict[str, Rows]:
    """By the id of the database, deleted ones included until they are forgotten."""
    found: dict[str, dict[str, list[Row]]] = {}
    for table, query in (_SHARED | _OWN).items():
        for row in connection.execute(query).fetchall():
            kept = {name: row[name] for name in row.keys() if name not in _LEFT_OUT}  # noqa: SIM118 (a Row has values)
            found.setdefault(row["database_of"], {}).setdefault(table, []).append(kept)
    return {database_id: rows for database_id, rows in found.items() if "database" in rows}


def put(connection: Connection, number: int, rows: Rows) -> None:
    """Put the rows of a database, which have the schema of that number, in the place of what is known of it.

    Accounts and projects that are there already stay as they are. A state with an older schema is brought to that one
    first. To be called in no transaction.
    """
    migrate(connection, number)
    connection.execute("BEGIN IMMEDIATE")
    try:
        _put(connection, rows)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _put(connection: Connection, rows: Rows) -> None:
    (database,) = rows["database"]
    for table in _SHARED:
        for row in rows.get(table, ()):
            _add(connection, table, row)
    _free_name(connection, str(database["name"]), str(database["id"]))
    if connection.execute("SELECT 1 FROM database WHERE id = ?", (database["id"],)).fetchone() is None:
        _insert(connection, "database", database)
    else:
        names = _names(connection, "database", database)
        changes = ", ".join(f"{name} = ?" for name in names)
        values = [database[name] for name in names]
        connection.execute(f"UPDATE database SET {changes} WHERE id = ?", (*values, database["id"]))
    for table in reversed(_REPLACED):
        connection.execute(f"DELETE FROM {table} WHERE database_id = ?", (database["id"],))
    for table in _REPLACED:
        for row in rows.get(table, ()):
            _insert(connection, table, row)


def _add(connection: Connection, table: str, row: Row) -> None:
    """Unless it is there. An account has one default project: which one that is may have changed since."""
    try:
        _insert(connection, table, row, "OR IGNORE")
        if "is_default" in row and not _has(connection, table, row):
            _insert(connection, table, {**row, "is_default": 0})
    except sqlite3.IntegrityError as error:
        raise ValueError(f"the {table} {row} contradicts what is there: {error}") from error


def _has(connection: Connection, table: str, row: Row) -> bool:
    return connection.execute(f"SELECT 1 FROM {table} WHERE id = ?", (row["id"],)).fetchone() is not None


def _free_name(connection: Connection, name: str, database_id: str) -> None:
    """An older state may know another database of that name, which was deleted or renamed since."""
    connection.execute(
        "UPDATE database SET name = substr(name, 1, 38) || '-' || lower(hex(randomblob(4)))"
        " WHERE name = ? AND id <> ? AND deleted_at IS NULL",
        (name, database_id),
    )


def _insert(connection: Connection, table: str, row: Row, conflict: str = "") -> None:
    names = _names(connection, table, row)
    marks = ", ".join("?" * len(names))
    query = f"INSERT {conflict} INTO {table} ({', '.join(names)}) VALUES ({marks})"
    connection.execute(query, [row[name] for name in names])


def _names(connection: Connection, table: str, row: Row) -> list[str]:
    """The columns that the table still has."""
    return [each["name"] for each in connection.execute(f"PRAGMA table_info({table})") if each["name"] in row]
