"""Backups: what the archive holds of a database, and what its proof found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class BackupMethod(StrEnum):
    MANUAL = "manual"
    PERIODIC = "periodic"


class BackupStatus(StrEnum):
    """Derived from the backup's times, never stored."""

    SCHEDULED = "scheduled"
    RUNNING = "running"
    DONE = "done"
    ERROR = "error"


class VerificationState(StrEnum):
    """What is known of a backup that is done; a proof is its restore into a server of its own."""

    PENDING = "pending"
    VERIFIED = "verified"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are of something in a server; `changes` is another number whenever something was written there."""

    number: int
    changes: int
    mark: int = 0
    """The same for all of a server: while it stays, nothing at all was written. 0 where a server has no such mark."""


@dataclass(frozen=True, slots=True)
class Verification:
    """`at` and `seconds` are of the last attempt; `message` says what it found, or what it lacks."""

    state: VerificationState = VerificationState.PENDING
    at: float | None = None
    seconds: float | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Backup:
    """It outlives its database: what is needed to restore it is in it, beside the archive's keys.

    `size` is what the server's tool wrote, `stored` what it takes in the archive, in bytes. `sha256` is of the latter,
    in hexadecimal. Times are Unix time.
    """

    id: str
    database_id: str
    database_name: str
    technology: str
    version: str
    full_version: str
    plan: str
    lineage: str
    """Of its data: the password of their admin follows from it."""
    username: str
    dbname: str
    """What the tenant's user and database are called in it."""
    method: BackupMethod
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    error: str | None = None
    size: int | None = None
    stored: int | None = None
    sha256: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    """What was counted in the server and was not written to meanwhile: rows, keys, documents or points, by name."""
    verification: Verification = Verification()
    deleted_at: float | None = None
    """Since when it is only to be removed from the archive."""
    project_id: str | None = None
    """Of its database when it was made, or when that was deleted: who may restore it afterwards follows from it."""
    instance_id: str | None = None
    journal: str | None = None
    """The span of its server's journal, where that is kept, that continues it from `position` on."""
    position: int | None = None
    users: Mapping[str, bool] = field(default_factory=dict)
    """The users beside the tenant's own, and whether each was read-only."""

    @property
    def status(self) -> BackupStatus:
        if self.error is not None:
            return BackupStatus.ERROR
        if self.finished_at is not None:
            return BackupStatus.DONE
        return BackupStatus.SCHEDULED if self.started_at is None else BackupStatus.RUNNING

    @property
    def directory(self) -> str:
        """Of its objects in the archive."""
        return f"{self.database_id}/{self.id}"

    @property
    def journal_directory(self) -> str:
        """Of the objects with the journal that continues it."""
        return f"{self.database_id}/journal/{self.instance_id}/{self.journal}"

    @property
    def data(self) -> str:
        """The object that holds its data."""
        return f"{self.directory}/data"


@dataclass(frozen=True, slots=True)
class BackupSchedule:
    """When a database is backed up without being asked: every day within that hour, UTC."""

    enabled: bool = True
    hour: int = 0


class BackupState(StrEnum):
    """How it stands with the backups of a database as a whole."""

    OK = "ok"
    OFF = "off"
    FAILING = "failing"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class BackupReport:
    """When the last backup that is done was made, and the last that is proved; `message` says what is wrong."""

    state: BackupState
    last_at: float | None
    proved_at: float | None
    message: str | None


@dataclass(frozen=True, slots=True)
class Retention:
    """How long backups are kept. Of periodic ones each day's for `daily` days, each Sunday's for `weekly` weeks, each
    month's first Sunday's for `monthly` months; of manual ones the newest `manual`, and `manual_days` after their
    database was deleted. Any moment of the last `journal_days` days can be restored, where there is a journal.
    """

    daily: int
    weekly: int
    monthly: int
    manual: int
    manual_days: int
    journal_days: int


RETENTIONS = {
    "starter": Retention(7, 4, 0, 10, 31, 7),
    "business": Retention(7, 8, 12, 50, 365, 14),
    "enterprise": Retention(7, 8, 12, 50, 365, 30),
}
"""By the class of a plan."""


def retention_of(plan: str) -> Retention:
    """By the name of a plan; that of the smaller class where it names none."""
    return next((kept for name, kept in RETENTIONS.items() if name in plan.split("-")), RETENTIONS["starter"])
