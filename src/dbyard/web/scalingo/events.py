"""`/v1/events` and `/v1/apps/{app}/events`: what was done, by whom."""

from __future__ import annotations

from dbyard import wire
from dbyard.service import events
from dbyard.service.events import PageRequest
from dbyard.service.validation import FieldErrors
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.web.scalingo.apps import APP, NOT_FOUND, not_found
from dbyard.web.scalingo.encoding.events import encode_page
from dbyard.wire.events import EventsAnswer

PER_PAGE = 30
MOST_PER_PAGE = 100
MOST_PAGES = 1_000_000

_PAGING = (
    Parameter("page", "query", "Which page, from 1", {"type": "integer", "minimum": 1, "maximum": MOST_PAGES}),
    Parameter(
        "per_page",
        "query",
        f"How many on a page, {PER_PAGE} by default",
        {"type": "integer", "minimum": 1, "maximum": MOST_PER_PAGE},
    ),
)
_ALL = Parameter("all", "query", "Everybody's events, for an admin only", {"enum": ["true", "false"]})


def routes() -> list[Route]:
    return [route("/v1/events", get=_EVENTS), route("/v1/apps/{app}/events", get=_APP_EVENTS)]


def list_all(call: Call) -> EventsAnswer:
    everybody = call.flag("all", default=False)
    return encode_page(events.list_all(call.service, call.principal, _page(call), everybody=everybody))


def list_for_app(call: Call) -> EventsAnswer:
    return encode_page(events.list_for_database(call.service, call.principal, call.path["app"], _page(call)))


def _page(call: Call) -> PageRequest:
    """Raises Invalid with both parameters if both are wrong."""
    wrong = FieldErrors()
    number = _number(call, "page", 1, MOST_PAGES, wrong)
    size = _number(call, "per_page", PER_PAGE, MOST_PER_PAGE, wrong)
    wrong.check()
    return PageRequest(number, size)


def _number(call: Call, name: str, default: int, most: int, wrong: FieldErrors) -> int:
    text = call.query(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most:
        return int(text)
    wrong.add(name, f"should be a number between 1 and {most}")
    return default


_EVENTS = Method(
    list_all,
    "What was done in your account, newest first",
    EventsAnswer,
    blocking=True,
    parameters=(*_PAGING, _ALL),
    errors={403: wire.Error, 422: wire.Errors},
)
_APP_EVENTS = Method(
    list_for_app,
    "What was done to a database, newest first",
    EventsAnswer,
    blocking=True,
    parameters=(APP, *_PAGING),
    errors={**NOT_FOUND, 422: wire.Errors},
    not_found=not_found,
)
