"""`/v1/events`, `/v1/apps/{app}/events`: what was done, as far as Scalingo's clients know words for it.

`/v1/event_types` and `/v1/event_categories` list those words, `/v1/notification_platforms` where events can be sent to:
nowhere. No token is needed for them.
"""

from __future__ import annotations

from dbyard import wire
from dbyard.service import events
from dbyard.web.pages import ALL, PAGING, read_page
from dbyard.web.routes import Call, Method, Route, route
from dbyard.web.scalingo.apps import APP, NOT_FOUND, not_found
from dbyard.web.scalingo.encoding import event_types
from dbyard.web.scalingo.encoding.events import NAMES, encode_page
from dbyard.wire.events import EventCategoriesAnswer, EventsAnswer, EventTypesAnswer, NotificationPlatformsAnswer


def routes() -> list[Route]:
    return [
        route("/v1/events", get=_EVENTS),
        route("/v1/apps/{app}/events", get=_APP_EVENTS),
        route("/v1/event_types", get=_TYPES),
        route("/v1/event_categories", get=_CATEGORIES),
        route("/v1/notification_platforms", get=_PLATFORMS),
        route("/v1/notification_platforms/search", get=_PLATFORMS),
    ]


def list_all(call: Call) -> EventsAnswer:
    everybody = call.flag("all", default=False)
    page = read_page(call, NAMES.keys())
    return encode_page(events.list_all(call.service, call.principal, page, everybody=everybody))


def list_for_app(call: Call) -> EventsAnswer:
    page = read_page(call, NAMES.keys())
    return encode_page(events.list_for_database(call.service, call.principal, call.path["app"], page))


def list_types(_call: Call) -> EventTypesAnswer:
    return event_types.encode_types()


def list_categories(_call: Call) -> EventCategoriesAnswer:
    return event_types.encode_categories()


def list_platforms(_call: Call) -> NotificationPlatformsAnswer:
    return NotificationPlatformsAnswer([])


_EVENTS = Method(
    list_all,
    "What was done in your account, newest first, as far as Scalingo's clients know it",
    EventsAnswer,
    blocking=True,
    parameters=(*PAGING, ALL),
    errors={403: wire.Error, 422: wire.Errors},
)
_APP_EVENTS = Method(
    list_for_app,
    "What was done to a database, newest first, as far as Scalingo's clients know it",
    EventsAnswer,
    blocking=True,
    parameters=(APP, *PAGING),
    errors={**NOT_FOUND, 422: wire.Errors},
    not_found=not_found,
)
_TYPES = Method(list_types, "List the types of events that Scalingo's clients know", EventTypesAnswer, public=True)
_CATEGORIES = Method(list_categories, "List the categories of those types", EventCategoriesAnswer, public=True)
_PLATFORMS = Method(list_platforms, "Where events can be sent to: nowhere", NotificationPlatformsAnswer, public=True)
