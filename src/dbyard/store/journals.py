"""Queries on journals: what the archive has of them."""

from __future__ import annotations

from sqlite3 import Row

from dbyard.model import JournalMark, JournalSpan
from dbyard.secrets import make_id
from dbyard.store import Connection

_COLUMNS = "id, database_id, instance_id, identity AS journal, start, position, started_at, read_at, ended_at, reason"


def begin(connection: Connection, database_id: str, instance_id: str, mark: JournalMark, now: float) -> str:
    """The journal of the instance is kept from there on, unless it is already; the name under which it is."""
    query = "SELECT identity FROM journal_span WHERE instance_id = ? AND identity LIKE ? AND ended_at IS NULL"
    found = connection.execute(query, (instance_id, f"{mark.identity}.%")).fetchone()
    if found is not None:
        return str(found["identity"])
    journal = f"{mark.identity}.{make_id()}"
    insert(connection, JournalSpan(0, database_id, instance_id, journal, mark.position, mark.position, now, now))
    return journal


def insert(connection: Connection, span: JournalSpan) -> None:
    """A new one, which gets an id of its own."""
    connection.execute(
        "INSERT INTO journal_span (database_id, instance_id, identity, start, position, started_at, read_at, ended_at,"
        " reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            span.database_id,
            span.instance_id,
            span.journal,
            span.start,
            span.position,
            span.started_at,
            span.read_at,
            span.ended_at,
            span.reason,
        ),
    )


def get(connection: Connection, span_id: int) -> JournalSpan | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM journal_span WHERE id = ?", (span_id,)).fetchone()
    return _span(row) if row else None


def list_for(connection: Connection, database_id: str) -> list[JournalSpan]:
    """Oldest first."""
    query = f"SELECT {_COLUMNS} FROM journal_span WHERE database_id = ? ORDER BY started_at, id"
    return [_span(row) for row in connection.execute(query, (database_id,))]


def list_databases(connection: Connection) -> list[str]:
    """The ids of all databases of whose journals the archive has something, deleted ones too."""
    return [row["database_id"] for row in connection.execute("SELECT DISTINCT database_id FROM journal_span")]


def list_open(connection: Connection) -> list[tuple[JournalSpan, str]]:
    """Those of primaries that go on, and the technology of each."""
    query = (
        f"SELECT {', '.join(f's.{name}' for name in _COLUMNS.split(', '))}, d.technology FROM journal_span s"
        " JOIN instance i ON i.id = s.instance_id AND i.role = 'primary' AND i.ready_at IS NOT NULL"
        " JOIN database d ON d.id = s.database_id AND d.deleted_at IS NULL"
        " WHERE s.ended_at IS NULL ORDER BY s.id"
    )
    return [(JournalSpan(*row[:-1]), row[-1]) for row in map(tuple, connection.execute(query))]


def advance(connection: Connection, span_id: int, position: int, read_at: float) -> None:
    """The archive has it up to there."""
    connection.execute("UPDATE journal_span SET position = ?, read_at = ? WHERE id = ?", (position, read_at, span_id))


def end(connection: Connection, span_id: int, now: float, reason: str) -> None:
    """What comes next in the journal cannot be had any more."""
    connection.execute(
        "UPDATE journal_span SET ended_at = ?, reason = ? WHERE id = ? AND ended_at IS NULL", (now, reason, span_id)
    )


def end_all(connection: Connection, instance_id: str, now: float, reason: str) -> None:
    """The instance goes on with other data, whose journal is another one."""
    connection.execute(
        "UPDATE journal_span SET ended_at = ?, reason = ? WHERE instance_id = ? AND ended_at IS NULL",
        (now, reason, instance_id),
    )


def set_start(connection: Connection, span_id: int, start: int, started_at: float) -> None:
    """The archive has nothing before that any more."""
    connection.execute("UPDATE journal_span SET start = ?, started_at = ? WHERE id = ?", (start, started_at, span_id))


def delete(connection: Connection, span_id: int) -> None:
    connection.execute("DELETE FROM journal_span WHERE id = ?", (span_id,))


def _span(row: Row) -> JournalSpan:
    return JournalSpan(**dict(row))
