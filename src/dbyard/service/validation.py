"""What a client sent, checked field by field: all that is wrong is collected and reported at once."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dbyard.errors import Invalid
from dbyard.model import patterns

NAME_TAKEN = "has already been taken"


class FieldErrors:
    """The fields that are wrong so far. A reader returns None (a flag: its default) for a value that it refuses."""

    def __init__(self) -> None:
        self._fields: dict[str, list[str]] = {}

    def __contains__(self, field: str) -> bool:
        return field in self._fields

    def __bool__(self) -> bool:
        return bool(self._fields)

    def add(self, field: str, message: str) -> None:
        self._fields.setdefault(field, []).append(message)

    def add_rule(self, field: str, value: object, rule: str) -> None:
        """The value does not follow the rule; says so when it is missing."""
        self.add(field, f"is missing: {rule}" if value is None else rule)

    def check(self) -> None:
        """Raises Invalid with every wrong field."""
        if self._fields:
            raise Invalid(self._fields)

    def text(self, field: str, value: object, rule: str | None = None) -> str | None:
        if isinstance(value, str):
            return value
        problem = "is missing" if value is None else "should be a string"
        self.add(field, f"{problem}: {rule}" if rule else problem)
        return None

    def matching(self, field: str, value: object, pattern: str, rule: str) -> str | None:
        if isinstance(value, str) and patterns.matches(pattern, value):
            return value
        self.add_rule(field, value, rule)
        return None

    def flag(self, field: str, value: object) -> bool | None:
        if value is None or isinstance(value, bool):
            return value
        self.add(field, "should be true or false")
        return None


def is_database_name(value: object) -> bool:
    return isinstance(value, str) and 6 <= len(value) <= 48 and re.fullmatch(patterns.DATABASE_NAME, value) is not None


def one_of(values: Iterable[str]) -> str:
    return "should be one of: " + ", ".join(values)
