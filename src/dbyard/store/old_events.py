"""Events that were stored under older names. They are never rewritten, because their hashes are chained."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dbyard.model import EventType

_TYPES: Mapping[str, EventType] = {
    "new_addon": EventType.DATABASE_CREATED,
    "upgrade_addon": EventType.DATABASE_RESIZED,
    "delete_addon": EventType.DATABASE_DELETED,
    "rename_app": EventType.DATABASE_RENAMED,
    "update_app_project": EventType.DATABASE_MOVED,
    "database/reset_password": EventType.PASSWORD_RESET,
    "database/operation_done": EventType.OPERATION_DONE,
    "database/operation_failed": EventType.OPERATION_FAILED,
    "database/restricted": EventType.DATABASE_RESTRICTED,
    "database/unrestricted": EventType.DATABASE_UNRESTRICTED,
    "new_token": EventType.TOKEN_CREATED,
    "regenerate_token": EventType.TOKEN_RENEWED,
    "delete_token": EventType.TOKEN_DELETED,
    "new_user": EventType.ACCOUNT_CREATED,
    "edit_user": EventType.ACCOUNT_CHANGED,
    "disable_user": EventType.ACCOUNT_DISABLED,
    "enable_user": EventType.ACCOUNT_ENABLED,
    "new_project": EventType.PROJECT_CREATED,
    "edit_project": EventType.PROJECT_CHANGED,
    "delete_project": EventType.PROJECT_DELETED,
    "new_collaborator": EventType.COLLABORATOR_ADDED,
    "delete_collaborator": EventType.COLLABORATOR_REMOVED,
}
_KEYS: Mapping[str, str] = {"addon_provider_name": "technology", "plan_name": "plan", "old_plan_name": "old_plan"}
_DERIVED = ("addon_id", "resource_id")
"""Both follow from the id of the event's database."""


def stored_names(types: Collection[EventType]) -> set[str]:
    """Every name under which events of these types are stored."""
    return {*map(str, types), *(old for old, kind in _TYPES.items() if kind in types)}


def to_current(kind: str, data: Mapping[str, object]) -> tuple[str, Mapping[str, object]]:
    """The type and the data of a stored event in the words of today; a type that is not known stays as it is."""
    if kind not in _TYPES:
        return kind, data
    return _TYPES[kind], {_KEYS.get(name, name): value for name, value in data.items() if name not in _DERIVED}
