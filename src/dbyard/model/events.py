"""Events: what was done, by whom, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

PLATFORM_ID = "us-00000000-0000-0000-0000-000000000000"
"""Stands for the platform itself as the author of an event; no account has this id."""


class EventType(StrEnum):
    """NOUN.PARTICIPLE; the facade of Scalingo's API has names of its own for them."""

    DATABASE_CREATED = "database.created"
    DATABASE_RESIZED = "database.resized"
    DATABASE_UPGRADED = "database.upgraded"
    DATABASE_RENAMED = "database.renamed"
    DATABASE_MOVED = "database.moved"
    DATABASE_DELETED = "database.deleted"
    DATABASE_RESTRICTED = "database.restricted"
    DATABASE_UNRESTRICTED = "database.unrestricted"
    DATABASE_LOCKED_OUT = "database.locked_out"
    DATABASE_DAMAGED = "database.damaged"
    DATABASE_REPAIRED = "database.repaired"
    SETTINGS_CHANGED = "database.settings_changed"
    DATABASE_RESTORED = "database.restored"
    IMPORT_ASKED = "database.import_asked"
    RESTORE_UNDONE = "database.restore_undone"
    PASSWORD_RESET = "database.password_reset"  # noqa: S105 (the name of an event)
    ACTION_RUN = "database.action_run"
    USER_CREATED = "database.user_created"
    USER_REMOVED = "database.user_removed"
    BACKUP_ASKED = "backup.asked"
    BACKUP_PROOF_ASKED = "backup.proof_asked"
    BACKUP_SCHEDULED = "backup.scheduled"
    BACKUP_OVERDUE = "backup.overdue"
    BACKUP_DELETED = "backup.deleted"
    JOURNAL_LOST = "backup.journal_lost"
    STATE_COPY_OVERDUE = "state.copy_overdue"
    ARCHIVE_COPY_BEHIND = "archive.copy_behind"
    ARCHIVE_MENDED = "archive.mended"
    STATE_RECOVERED = "state.recovered"
    STATE_REBUILT = "state.rebuilt"
    OPERATION_DONE = "operation.done"
    OPERATION_FAILED = "operation.failed"
    OPERATION_CANCELLED = "operation.cancelled"
    OPERATION_RETRIED = "operation.retried"
    TOKEN_CREATED = "token.created"  # noqa: S105
    TOKEN_RENEWED = "token.renewed"  # noqa: S105
    TOKEN_DELETED = "token.deleted"  # noqa: S105
    ACCOUNT_CREATED = "account.created"
    ACCOUNT_CHANGED = "account.changed"
    ACCOUNT_DISABLED = "account.disabled"
    ACCOUNT_ENABLED = "account.enabled"
    PROJECT_CREATED = "project.created"
    PROJECT_CHANGED = "project.changed"
    PROJECT_DELETED = "project.deleted"
    COLLABORATOR_ADDED = "collaborator.added"
    COLLABORATOR_CHANGED = "collaborator.changed"
    COLLABORATOR_REMOVED = "collaborator.removed"


@dataclass(frozen=True, slots=True)
class Event:
    """Names are those at the time of the event. `owner_id` is the account that the event concerns.

    `account_id` is None when the platform acted by itself. `data` is JSON and never holds a secret.
    """

    id: str
    at: float
    owner_id: str
    account_id: str | None
    username: str
    email: str
    token_id: str | None
    project_id: str | None
    database_id: str | None
    database_name: str | None
    type: str
    """An `EventType`, or a type that only an older version of the platform knew."""
    data: Mapping[str, object]
