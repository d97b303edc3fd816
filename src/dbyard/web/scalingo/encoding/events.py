"""Events in Scalingo's words, with what its clients print of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dbyard.model import PLATFORM_ID, Event, EventType
from dbyard.model.times import to_datetime
from dbyard.service.events import EventPage
from dbyard.web.pages import encode_meta
from dbyard.web.scalingo.identifiers import addon_id
from dbyard.wire import events as wire

Data = dict[str, object]

NAMES: Mapping[EventType, str] = {
    EventType.DATABASE_CREATED: "new_addon",
    EventType.DATABASE_RESIZED: "upgrade_addon",
    EventType.DATABASE_DELETED: "delete_addon",
    EventType.DATABASE_RENAMED: "rename_app",
    EventType.DATABASE_MOVED: "update_app_project",
    EventType.TOKEN_CREATED: "new_token",
    EventType.TOKEN_RENEWED: "regenerate_token",
    EventType.TOKEN_DELETED: "delete_token",
    EventType.ACCOUNT_CREATED: "new_user",
    EventType.PROJECT_CREATED: "new_project",
    EventType.PROJECT_CHANGED: "edit_project",
    EventType.PROJECT_DELETED: "delete_project",
    EventType.COLLABORATOR_ADDED: "new_collaborator",
    EventType.COLLABORATOR_CHANGED: "change_collaborator_role",
    EventType.COLLABORATOR_REMOVED: "delete_collaborator",
}
"""The types that Scalingo's clients know; they print the others as unknown, so those are in our own lists only."""
_ADDON_KEYS: Mapping[str, str] = {"technology": "addon_provider_name", "plan": "plan_name", "old_plan": "old_plan_name"}


def encode_page(page: EventPage) -> wire.EventsAnswer:
    return wire.EventsAnswer([_event(event) for event in page.events], encode_meta(page))


def _event(event: Event) -> wire.Event:
    kind = EventType(event.type)
    return wire.Event(
        id=event.id,
        created_at=to_datetime(event.at),
        user=wire.EventUser(event.username, event.email, event.account_id or PLATFORM_ID),
        app_id=event.database_id,
        app_name=event.database_name,
        project_id=event.project_id,
        project_name=str(event.data["name"]) if kind in _OF_PROJECTS else None,
        token_id=event.token_id,
        type=NAMES[kind],
        type_data=_TYPE_DATA.get(kind, _as_it_is)(event),
    )


def _as_it_is(event: Event) -> Data:
    return dict(event.data)


def _of_addon(event: Event) -> Data:
    data = {_ADDON_KEYS.get(name, name): value for name, value in event.data.items()}
    if event.database_id is not None:
        data |= {"addon_id": addon_id(event.database_id), "resource_id": event.database_id}
    if event.type == EventType.DATABASE_RESIZED:
        data["new_plan_name"] = data.get("plan_name")
    return dict(sorted(data.items()))


def _of_project(event: Event) -> Data:
    return dict(event.data) | {"project_id": event.project_id}


def _of_changed_project(event: Event) -> Data:
    """Which values changed; an event of an older version does not say."""
    old = {name: event.data.get(f"old_{name}") for name in ("name", "default")}
    updated = [
        {"name": name, "value": _text(event.data[name]), "old_value": _text(before)}
        for name, before in old.items()
        if before is not None and before != event.data[name]
    ]
    return _of_project(event) | {"updated_values": updated}


def _text(value: object) -> str:
    """The clients read texts only."""
    return str(value).lower() if isinstance(value, bool) else str(value)


_OF_PROJECTS = (EventType.PROJECT_CREATED, EventType.PROJECT_CHANGED, EventType.PROJECT_DELETED)
_TYPE_DATA: Mapping[EventType, Callable[[Event], Data]] = {
    EventType.DATABASE_CREATED: _of_addon,
    EventType.DATABASE_RESIZED: _of_addon,
    EventType.DATABASE_DELETED: _of_addon,
    EventType.PROJECT_CREATED: _of_project,
    EventType.PROJECT_CHANGED: _of_changed_project,
    EventType.PROJECT_DELETED: _of_project,
}
