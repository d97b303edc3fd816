"""What was done, in our words and as Scalingo's API tells it, and pages of long lists."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from dbyard.wire import Date


class Pagination(Struct, frozen=True):
    """Pages count from 1; there is no page before the first and none after the last."""

    current_page: int
    prev_page: int | None
    next_page: int | None
    total_pages: int
    total_count: int
    per_page: int


class PageMeta(Struct, frozen=True):
    pagination: Pagination


class EventUser(Struct, frozen=True):
    """Who did it, by the names of then; `dbyard` is the platform itself."""

    username: str
    email: str
    id: str


class AuditEvent(Struct, frozen=True):
    """`data` depends on `type`; `token_id` is the API token that asked. Names are those at the time of the event."""

    id: str
    created_at: Date
    user: EventUser
    database_id: str | None
    database_name: str | None
    project_id: str | None
    token_id: str | None
    type: str
    data: dict[str, Any]


class AuditEventsAnswer(Struct, frozen=True):
    """Newest first."""

    events: list[AuditEvent]
    meta: PageMeta


class Event(Struct, frozen=True):
    """The app is the database it speaks of; `type_data` depends on `type`; `token_id` is the API token that asked.

    `project_name` is there for an event that is about a project.
    """

    id: str
    created_at: Date
    user: EventUser
    app_id: str | None
    app_name: str | None
    project_id: str | None
    project_name: str | None
    token_id: str | None
    type: str
    type_data: dict[str, Any]


class EventsAnswer(Struct, frozen=True):
    """Newest first."""

    events: list[Event]
    meta: PageMeta


class EventType(Struct, frozen=True):
    id: str
    category_id: str
    name: str
    display_name: str
    description: str
    template: str = ""


class EventTypesAnswer(Struct, frozen=True):
    event_types: list[EventType]


class EventCategory(Struct, frozen=True):
    id: str
    name: str
    position: int


class NotificationPlatform(Struct, frozen=True):
    """Where Scalingo can send events to."""

    id: str
    name: str


class NotificationPlatformsAnswer(Struct, frozen=True):
    notification_platforms: list[NotificationPlatform]


class EventCategoriesAnswer(Struct, frozen=True):
    event_categories: list[EventCategory]
