"""`/v1/events` and `/v1/apps/{app}/events`: what was done, by whom."""

from __future__ import annotations

from dbyard import wire
from dbyard.errors import Invalid
from dbyard.service import timeline
from dbyard.service.timeline import Page
from dbyard.web.apps import APP, NOT_FOUND
from dbyard.web.routes import Call, Parameter, Route, Verb, route
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


def list_mine(call: Call) -> EventsAnswer:
    everybody = call.flag("all", default=False)
    return timeline.list_mine(call.service, call.principal, _page(call), everybody=everybody)


def list_of(call: Call) -> EventsAnswer:
    return timeline.list_of(call.service, call.principal, call.path["app"], _page(call))


def _page(call: Call) -> Page:
    """Both wrong ones are reported together."""
    wrong: dict[str, list[str]] = {}
    number = _number(call, "page", 1, MOST_PAGES, wrong)
    size = _number(call, "per_page", PER_PAGE, MOST_PER_PAGE, wrong)
    if wrong:
        raise Invalid(wrong)
    return Page(number, size)


def _number(call: Call, name: str, default: int, most: int, wrong: dict[str, list[str]]) -> int:
    text = call.query(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most:
        return int(text)
    wrong[name] = [f"should be a number between 1 and {most}"]
    return default


_EVENTS = Verb(
    list_mine,
    "What was done in your account, newest first",
    EventsAnswer,
    waits=True,
    parameters=(*_PAGING, _ALL),
    refusals={403: wire.Error, 422: wire.Errors},
)
_APP_EVENTS = Verb(
    list_of,
    "What was done to a database, newest first",
    EventsAnswer,
    waits=True,
    parameters=(APP, *_PAGING),
    refusals={**NOT_FOUND, 422: wire.Errors},
)
