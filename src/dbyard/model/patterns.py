"""Patterns of what clients choose, in the syntax of JSON Schema, for the rules and for the OpenAPI document."""

from __future__ import annotations

import re

DATABASE_NAME = "^[a-z0-9]+(-[a-z0-9]+)*$"
TOKEN_NAME = r"^[^\u0000-\u001f\u007f-\u009f]{1,64}$"  # noqa: S105 (a pattern)
PROJECT_NAME = "^[a-z0-9_-]{1,64}$"
USERNAME = "^[a-z0-9]([a-z0-9._-]{0,30}[a-z0-9])?$"
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
EMAIL = rf"^[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(\.{_LABEL})*$"
PASSWORD = r"^[^\u0000-\u001f\u007f-\u009f]{12,256}$"  # noqa: S105


def matches(pattern: str, value: object) -> bool:
    """Whether the value is a text that fits the pattern as a whole; `$` alone would let a final newline pass."""
    return isinstance(value, str) and re.fullmatch(pattern.removeprefix("^").removesuffix("$"), value) is not None
