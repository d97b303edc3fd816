"""Events: what was done, by whom, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class EventType(StrEnum):
    """Scalingo's names where it has one for the same thing; what is ours alone begins with `database/` or says itself.

    A database is an app with one addon, so what happens to it happens to that app or that addon.
    """

    NEW_ADDON = "new_addon"
    UPGRADE_ADDON = "upgrade_addon"
    DELETE_ADDON = "delete_addon"
    RENAME_APP = "rename_app"
    UPDATE_APP_PROJECT = "update_app_project"
    RESET_PASSWORD = "database/reset_password"  # noqa: S105 (the name of an event)
    OPERATION_DONE = "database/operation_done"
    OPERATION_FAILED = "database/operation_failed"
    RESTRICTED = "database/restricted"
    UNRESTRICTED = "database/unrestricted"
    NEW_TOKEN = "new_token"  # noqa: S105
    REGENERATE_TOKEN = "regenerate_token"  # noqa: S105
    DELETE_TOKEN = "delete_token"  # noqa: S105
    NEW_USER = "new_user"
    EDIT_USER = "edit_user"
    DISABLE_USER = "disable_user"
    ENABLE_USER = "enable_user"
    NEW_PROJECT = "new_project"
    EDIT_PROJECT = "edit_project"
    DELETE_PROJECT = "delete_project"
    NEW_COLLABORATOR = "new_collaborator"
    DELETE_COLLABORATOR = "delete_collaborator"


@dataclass(frozen=True, slots=True)
class Event:
    """Names are as they were then. `owner_id` is the account whom it concerns: whose project, token or account it is.

    `account_id` is None when the platform did it by itself. `data` is of JSON, and never holds a secret.
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
    app_name: str | None
    type: str
    """An `EventType`, or one that an older version of the platform knew."""
    data: Mapping[str, object]
