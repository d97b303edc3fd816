"""Pages of long lists: the parameters that ask for one, and how it is numbered."""

from __future__ import annotations

from collections.abc import Collection

from dbyard.model import EventType
from dbyard.service.events import EventPage, PageRequest
from dbyard.service.validation import FieldErrors
from dbyard.web.routes import Call, Parameter
from dbyard.wire import events as wire

PER_PAGE = 30
MOST_PER_PAGE = 100
MOST_PAGES = 1_000_000

PAGING = (
    Parameter("page", "query", "Which page, from 1", {"type": "integer", "minimum": 1, "maximum": MOST_PAGES}),
    Parameter(
        "per_page",
        "query",
        f"How many on a page, {PER_PAGE} by default",
        {"type": "integer", "minimum": 1, "maximum": MOST_PER_PAGE},
    ),
)
ALL = Parameter("all", "query", "Everybody's events, for an admin only", {"enum": ["true", "false"]})


def read_page(call: Call, types: Collection[EventType] | None = None) -> PageRequest:
    """Raises Invalid with both parameters if both are wrong."""
    wrong = FieldErrors()
    number = _number(call, "page", 1, MOST_PAGES, wrong)
    size = _number(call, "per_page", PER_PAGE, MOST_PER_PAGE, wrong)
    wrong.check()
    return PageRequest(number, size, types)


def encode_meta(page: EventPage) -> wire.PageMeta:
    request, total = page.request, page.total
    pages = -(-total // request.size)
    return wire.PageMeta(
        wire.Pagination(
            current_page=request.number,
            prev_page=min(request.number - 1, pages) or None,
            next_page=request.number + 1 if request.number < pages else None,
            total_pages=pages,
            total_count=total,
            per_page=request.size,
        )
    )


def _number(call: Call, name: str, default: int, most: int, wrong: FieldErrors) -> int:
    text = call.query(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and 1 <= int(text) <= most:
        return int(text)
    wrong.add(name, f"should be a number between 1 and {most}")
    return default
