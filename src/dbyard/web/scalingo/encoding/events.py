"""Events in Scalingo's words, and the pages that they come in."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard.model import PLATFORM_ID, Event, EventType
from dbyard.model.times import to_datetime
from dbyard.service.events import EventPage
from dbyard.web.scalingo.identifiers import addon_id
from dbyard.wire import events as wire

_NAMES: Mapping[str, str] = {
    EventType.DATABASE_CREATED: "new_addon",
    EventType.DATABASE_RESIZED: "upgrade_addon",
    EventType.DATABASE_DELETED: "delete_addon",
    EventType.DATABASE_RENAMED: "rename_app",
    EventType.DATABASE_MOVED: "update_app_project",
    EventType.DATABASE_RESTRICTED: "database/restricted",
    EventType.DATABASE_UNRESTRICTED: "database/unrestricted",
    EventType.DATABASE_LOCKED_OUT: "database/locked_out",
    EventType.DATABASE_REPAIRED: "database/repaired",
    EventType.PASSWORD_RESET: "database/reset_password",
    EventType.OPERATION_DONE: "database/operation_done",
    EventType.OPERATION_FAILED: "database/operation_failed",
    EventType.OPERATION_CANCELLED: "database/operation_cancelled",
    EventType.OPERATION_RETRIED: "database/operation_retried",
    EventType.TOKEN_CREATED: "new_token",
    EventType.TOKEN_RENEWED: "regenerate_token",
    EventType.TOKEN_DELETED: "delete_token",
    EventType.ACCOUNT_CREATED: "new_user",
    EventType.ACCOUNT_CHANGED: "edit_user",
    EventType.ACCOUNT_DISABLED: "disable_user",
    EventType.ACCOUNT_ENABLED: "enable_user",
    EventType.PROJECT_CREATED: "new_project",
    EventType.PROJECT_CHANGED: "edit_project",
    EventType.PROJECT_DELETED: "delete_project",
    EventType.COLLABORATOR_ADDED: "new_collaborator",
    EventType.COLLABORATOR_REMOVED: "delete_collaborator",
}
_OF_ADDONS = (
    EventType.DATABASE_CREATED,
    EventType.DATABASE_RESIZED,
    EventType.DATABASE_DELETED,
    EventType.PASSWORD_RESET,
)
"""Events that clients read as those of an addon."""
_ADDON_KEYS: Mapping[str, str] = {"technology": "addon_provider_name", "plan": "plan_name", "old_plan": "old_plan_name"}


def encode_page(page: EventPage) -> wire.EventsAnswer:
    return wire.EventsAnswer([_event(event) for event in page.events], wire.PageMeta(_pagination(page)))


def _event(event: Event) -> wire.Event:
    return wire.Event(
        id=event.id,
        created_at=to_datetime(event.at),
        user=wire.EventUser(event.username, event.email, event.account_id or PLATFORM_ID),
        app_id=event.database_id,
        app_name=event.database_name,
        project_id=event.project_id,
        token_id=event.token_id,
        type=_NAMES.get(event.type, event.type),
        type_data=_type_data(event),
    )


def _type_data(event: Event) -> dict[str, object]:
    if event.type not in _OF_ADDONS or event.database_id is None:
        return dict(event.data)
    data = {_ADDON_KEYS.get(name, name): value for name, value in event.data.items()}
    data |= {"addon_id": addon_id(event.database_id), "resource_id": event.database_id}
    return dict(sorted(data.items()))


def _pagination(page: EventPage) -> wire.Pagination:
    request, total = page.request, page.total
    pages = -(-total // request.size)
    return wire.Pagination(
        current_page=request.number,
        prev_page=min(request.number - 1, pages) or None,
        next_page=request.number + 1 if request.number < pages else None,
        total_pages=pages,
        total_count=total,
        per_page=request.size,
    )
