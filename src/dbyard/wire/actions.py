"""Actions of the Database API on the wire."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class RunAction(Struct, frozen=True):
    """`params` are the action's own, null where it has none."""

    action_name: str
    params: dict[str, Any] | None = None


class ActionAnswer(Struct, frozen=True):
    """`ok` is 1, or 0 with why the server did not do it."""

    ok: int
    result: Any = None
    error: str | None = None
