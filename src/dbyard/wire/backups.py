"""What the Database API answers about backups."""

from __future__ import annotations

from msgspec import Struct

from dbyard.wire import Date


class Verification(Struct, frozen=True):
    """The proof of a backup: its restore into a server of its own. `state` is pending, verified or failed.

    `duration` is in seconds. `message` says what was found, or what is wrong.
    """

    state: str
    duration: float | None
    message: str | None


class Backup(Struct, frozen=True):
    """A backup as Scalingo's Database API describes it, and what is known of it beside that.

    `status` is scheduled, running, done or error. `size` is what a download has, `stored_size` what it takes in the
    archive, in bytes. `counts` are rows, keys, documents or points by name, of what was not written to meanwhile.
    """

    id: str
    name: str
    database_id: str
    method: str
    status: str
    created_at: Date
    started_at: Date | None
    finished_at: Date | None
    size: int | None
    stored_size: int | None
    error: str | None
    server_version: str
    counts: dict[str, int]
    verified_at: Date | None
    verification: Verification


class DeletedBackup(Struct, frozen=True):
    """A backup of a database that is deleted; the plan is that which the database had. Sizes are bytes."""

    id: str
    name: str
    database_id: str
    database_name: str
    technology: str
    version: str
    plan: str
    project_id: str | None
    created_at: Date
    size: int | None
    verification: Verification


class DeletedBackupsAnswer(Struct, frozen=True):
    deleted_backups: list[DeletedBackup]


class BackupAnswer(Struct, frozen=True):
    database_backup: Backup


class BackupsAnswer(Struct, frozen=True):
    database_backups: list[Backup]


class Restoration(Struct, frozen=True):
    """A restore. `status` is pending, running, done or error, and then `error` says why."""

    id: str
    database_id: str
    source_backup_id: str
    method: str
    status: str
    created_at: Date
    started_at: Date
    ended_at: Date | None
    error: str | None


class RestorationAnswer(Restoration, frozen=True):
    """Both flat and wrapped, because clients differ."""

    backup_restoration: Restoration


class Replaced(Struct, frozen=True):
    """Data that a restore has replaced; they are kept until `kept_until`."""

    id: str
    replaced_at: Date
    kept_until: Date


class ReplacedAnswer(Struct, frozen=True):
    replaced: list[Replaced]


class DownloadAnswer(Struct, frozen=True):
    """A link that needs no token and is good for an hour."""

    download_url: str


class Schedule(Struct, frozen=True, omit_defaults=True):
    """What is left out stays as it is. The hour is UTC, alone or in a list of one."""

    periodic_backups_enabled: bool | None = None
    periodic_backups_scheduled_at: int | list[int] | None = None


class ScheduleChange(Struct, frozen=True):
    database: Schedule
