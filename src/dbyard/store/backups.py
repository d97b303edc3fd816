"""Queries on backups."""

from __future__ import annotations

import json
from dataclasses import dataclass
from sqlite3 import Row

from dbyard.model import Backup, BackupMethod, BackupSchedule, Principal, Verification, VerificationState
from dbyard.store import Connection

_COLUMNS = (
    "id, database_id, database_name, technology, version, full_version, plan, lineage, username, dbname, method,"
    " created_at, started_at, finished_at, error, size, stored, sha256, counts, verification, verified_at,"
    " verification_seconds, verification_message, deleted_at, project_id, instance_id,"
    " journal, position, users"
)
# Also by the create of another database, which gets its data.
_WORKED_ON = (
    "EXISTS (SELECT 1 FROM operation o WHERE o.status IN ('pending', 'running')"
    " AND json_extract(o.params, '$.backup_id') = b.id)"
)


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A database that is backed up each day in that hour, UTC.

    `last_at` is of its newest periodic backup that has not failed, `tried_at` of its newest one at all, and
    `base_tried_at` of that of the server which it has now. `has_base` tells whether there is one that this server's
    journal continues, or any on its way.
    """

    id: str
    technology: str
    version: str
    hour: int
    created_at: float
    last_at: float | None
    tried_at: float | None
    ready_at: float = 0.0
    base_tried_at: float | None = None
    has_base: bool = True


def insert(connection: Connection, backup: Backup) -> None:
    """A new one, of which nothing is in the archive yet."""
    connection.execute(
        "INSERT INTO backup (id, database_id, database_name, technology, version, full_version, plan, lineage,"
        " username, dbname, method, created_at, project_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            backup.id,
            backup.database_id,
            backup.database_name,
            backup.technology,
            backup.version,
            backup.full_version,
            backup.plan,
            backup.lineage,
            backup.username,
            backup.dbname,
            backup.method,
            backup.created_at,
            backup.project_id,
        ),
    )


def get(connection: Connection, backup_id: str) -> Backup | None:
    row = connection.execute(f"SELECT {_COLUMNS} FROM backup WHERE id = ?", (backup_id,)).fetchone()
    return _backup(row) if row else None


def list_for(connection: Connection, database_id: str) -> list[Backup]:
    """Newest first; those that are only to be removed are left out."""
    query = (
        f"SELECT {_COLUMNS} FROM backup WHERE database_id = ? AND deleted_at IS NULL"
        " ORDER BY created_at DESC, rowid DESC"
    )
    return [_backup(row) for row in connection.execute(query, (database_id,))]


def list_all(connection: Connection) -> list[Backup]:
    """Of all databases, those included that are gone, and those that are only to be removed; newest first."""
    query = f"SELECT {_COLUMNS} FROM backup ORDER BY created_at DESC, rowid DESC"
    return [_backup(row) for row in connection.execute(query)]


def list_of_deleted(connection: Connection, principal: Principal) -> list[Backup]:
    """Those that are done, of databases that are deleted, in projects that the principal may change; newest first.

    Administrators see those of projects that are not known any more as well.
    """
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM backup b WHERE finished_at IS NOT NULL AND error IS NULL AND deleted_at IS NULL"
        " AND NOT EXISTS (SELECT 1 FROM database d WHERE d.id = b.database_id AND d.deleted_at IS NULL)"
        " AND (:project IS NULL OR project_id = :project) AND :database IS NULL"
        " AND (project_id IN (SELECT id FROM project WHERE account_id = :account"
        " UNION ALL SELECT c.project_id FROM project_collaborator c WHERE c.account_id = :account AND c.limited = 0)"
        " OR (:administers AND project_id IS NULL)"
        " OR (:administers AND NOT EXISTS (SELECT 1 FROM project p WHERE p.id = b.project_id)))"
        " ORDER BY created_at DESC, rowid DESC",
        {
            "account": principal.account.id,
            "project": principal.project_id,
            "database": principal.database_id,
            "administers": principal.administers,
        },
    )
    return [_backup(row) for row in rows]


def list_abandoned(connection: Connection) -> list[Backup]:
    """Those that are not done and never will be: no operation works on them."""
    query = f"SELECT {_COLUMNS} FROM backup b WHERE finished_at IS NULL AND error IS NULL AND NOT {_WORKED_ON}"
    return [_backup(row) for row in connection.execute(query)]


def list_deleted(connection: Connection) -> list[Backup]:
    """Those that are to be removed from the archive, and then forgotten."""
    query = f"SELECT {_COLUMNS} FROM backup WHERE deleted_at IS NOT NULL"
    return [_backup(row) for row in connection.execute(query)]


def list_unproved(connection: Connection, before: float) -> list[Backup]:
    """Those that are done and were never proved, and on which nothing works; the last attempt was before that time."""
    query = (
        f"SELECT {_COLUMNS} FROM backup b WHERE finished_at IS NOT NULL AND verification = 'pending'"
        " AND deleted_at IS NULL AND coalesce(verified_at, finished_at) < ?"
        " AND EXISTS (SELECT 1 FROM database d WHERE d.id = b.database_id AND d.deleted_at IS NULL)"
        f" AND NOT {_WORKED_ON}"
    )
    return [_backup(row) for row in connection.execute(query, (before,))]


def list_databases(connection: Connection) -> list[str]:
    """The ids of all databases that have backups, deleted ones too."""
    return [row["database_id"] for row in connection.execute("SELECT DISTINCT database_id FROM backup")]


def list_scheduled(connection: Connection) -> list[Scheduled]:
    """The databases that are backed up without being asked, and when that was asked for the last time."""
    rows = connection.execute(
        "SELECT d.id, d.technology, d.version, coalesce(s.hour, 0) AS hour, d.created_at,"
        " (SELECT max(b.created_at) FROM backup b WHERE b.database_id = d.id AND b.method = 'periodic'"
        " AND b.error IS NULL) AS last_at,"
        " (SELECT max(b.created_at) FROM backup b WHERE b.database_id = d.id) AS tried_at, i.ready_at,"
        " (SELECT max(b.created_at) FROM backup b WHERE b.instance_id = i.id) AS base_tried_at,"
        " EXISTS (SELECT 1 FROM backup b JOIN journal_span s ON s.instance_id = i.id AND s.identity = b.journal"
        " AND s.ended_at IS NULL AND b.position >= s.start WHERE b.instance_id = i.id AND b.error IS NULL"
        " AND b.verification <> 'failed' AND b.deleted_at IS NULL) OR EXISTS (SELECT 1 FROM backup b"
        " WHERE b.database_id = d.id AND b.finished_at IS NULL AND b.error IS NULL) AS has_base"
        " FROM database d JOIN instance i ON i.database_id = d.id AND i.role = 'primary'"
        " LEFT JOIN backup_schedule s ON s.database_id = d.id"
        " WHERE d.deleted_at IS NULL AND i.ready_at IS NOT NULL AND coalesce(s.enabled, 1) = 1"
    )
    return [Scheduled(**dict(row)) for row in rows]


def schedule_of(connection: Connection, database_id: str) -> BackupSchedule:
    query = "SELECT enabled, hour FROM backup_schedule WHERE database_id = ?"
    row = connection.execute(query, (database_id,)).fetchone()
    return BackupSchedule(bool(row["enabled"]), row["hour"]) if row else BackupSchedule()


def set_schedule(connection: Connection, database_id: str, schedule: BackupSchedule) -> None:
    connection.execute(
        "INSERT INTO backup_schedule (database_id, enabled, hour) VALUES (?, ?, ?)"
        " ON CONFLICT (database_id) DO UPDATE SET enabled = excluded.enabled, hour = excluded.hour",
        (database_id, schedule.enabled, schedule.hour),
    )


def is_worked_on(connection: Connection, backup_id: str) -> bool:
    query = f"SELECT 1 FROM backup b WHERE b.id = ? AND {_WORKED_ON}"
    return connection.execute(query, (backup_id,)).fetchone() is not None


def set_started(connection: Connection, backup: Backup) -> None:
    """It is being made of its instance, whose journal goes on from it at its position; the first time is remembered."""
    connection.execute(
        "UPDATE backup SET started_at = coalesce(started_at, ?), full_version = ?, instance_id = ?, journal = ?,"
        " position = ? WHERE id = ?",
        (backup.started_at, backup.full_version, backup.instance_id, backup.journal, backup.position, backup.id),
    )


def finish(connection: Connection, backup: Backup) -> None:
    """It is in the archive, and was read back."""
    connection.execute(
        "UPDATE backup SET finished_at = ?, size = ?, stored = ?, sha256 = ?, counts = ?, users = ? WHERE id = ?",
        (
            backup.finished_at,
            backup.size,
            backup.stored,
            backup.sha256,
            json.dumps(dict(backup.counts)),
            json.dumps(dict(backup.users)),
            backup.id,
        ),
    )


def fail(connection: Connection, backup_id: str, reason: str) -> None:
    connection.execute("UPDATE backup SET error = ? WHERE id = ? AND finished_at IS NULL", (reason, backup_id))


def set_verification(connection: Connection, backup_id: str, found: Verification) -> None:
    connection.execute(
        "UPDATE backup SET verification = ?, verified_at = ?, verification_seconds = ?, verification_message = ?"
        " WHERE id = ?",
        (found.state, found.at, found.seconds, found.message, backup_id),
    )


def note_unproved(connection: Connection, backup_id: str, now: float, reason: str) -> None:
    """A proof came to no end: of one that was never proved this is what is known."""
    connection.execute(
        "UPDATE backup SET verified_at = ?, verification_message = ? WHERE id = ? AND verification = 'pending'",
        (now, reason, backup_id),
    )


def set_deleted(connection: Connection, backup_id: str, now: float) -> None:
    """From now on it is only to be removed from the archive."""
    connection.execute("UPDATE backup SET deleted_at = coalesce(deleted_at, ?) WHERE id = ?", (now, backup_id))


def delete(connection: Connection, backup_id: str) -> None:
    connection.execute("DELETE FROM backup WHERE id = ?", (backup_id,))


def note_removed(connection: Connection, prefix: str, now: float) -> None:
    """A directory was removed from the archive; its copy may still have it."""
    connection.execute("INSERT OR REPLACE INTO archive_removal VALUES (?, ?)", (prefix, now))


def list_removed(connection: Connection) -> list[str]:
    """The directories that were removed from the archive, and not yet from its copy."""
    return [row["prefix"] for row in connection.execute("SELECT prefix FROM archive_removal ORDER BY removed_at")]


def forget_removed(connection: Connection, prefix: str) -> None:
    connection.execute("DELETE FROM archive_removal WHERE prefix = ?", (prefix,))


def note_damaged(connection: Connection, name: str, now: float) -> None:
    """The archive has the object damaged, or not any more, and its copy has it whole."""
    connection.execute("INSERT OR IGNORE INTO archive_damage VALUES (?, ?)", (name, now))


def list_damaged(connection: Connection) -> list[str]:
    """The objects that were found so and that were not put back yet."""
    return [row["name"] for row in connection.execute("SELECT name FROM archive_damage ORDER BY found_at")]


def forget_damaged(connection: Connection, name: str) -> None:
    connection.execute("DELETE FROM archive_damage WHERE name = ?", (name,))


def _backup(row: Row) -> Backup:
    values = dict(row)
    values["method"] = BackupMethod(values["method"])
    values["counts"], values["users"] = json.loads(values["counts"]), json.loads(values["users"])
    values["verification"] = Verification(
        VerificationState(values["verification"]),
        values.pop("verified_at"),
        values.pop("verification_seconds"),
        values.pop("verification_message"),
    )
    return Backup(**values)
