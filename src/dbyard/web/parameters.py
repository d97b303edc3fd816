"""Parameters that several routes share."""

from __future__ import annotations

import re

from dbyard.errors import Invalid
from dbyard.web.routes import Call, Parameter
from dbyard.web.scalingo.identifiers import to_database_key

LINES = 100
MOST_LINES = 10_000

DATABASE = Parameter(
    "database",
    "path",
    "The database's id, name or addon id",
    {"type": "string"},
    required=True,
    source="/database/id",
    resolve=to_database_key,
)
OPERATION = Parameter("operation", "path", "The operation's id", {"type": "string"}, required=True)


def lines_parameter(name: str, *, bounded: bool = True) -> Parameter:
    schema: dict[str, object] = {"type": "integer", "minimum": 1} | ({"maximum": MOST_LINES} if bounded else {})
    return Parameter(name, "query", f"How many lines, {LINES} by default", schema)


def read_lines_at_most(call: Call, name: str) -> int:
    """As `read_lines`, for clients that ask for any number: more than there can be are as many as there can be."""
    text = call.query(name) or ""
    is_more = re.fullmatch("[1-9][0-9]{4,}", text) and (len(text) > 5 or int(text) > MOST_LINES)
    return MOST_LINES if is_more else read_lines(call, name)


def read_lines(call: Call, name: str) -> int:
    """How many lines that parameter asks for; raises Invalid."""
    text = call.query(name)
    if text is None:
        return LINES
    if not re.fullmatch("[0-9]{1,5}", text) or not 1 <= int(text) <= MOST_LINES:
        raise Invalid({name: [f"should be a number between 1 and {MOST_LINES}"]})
    return int(text)
