"""Times on the wire: UTC, to the millisecond."""

from __future__ import annotations

from datetime import UTC, datetime


def date(seconds: float) -> datetime:
    milliseconds = round(seconds * 1000)
    return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)


def date_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else date(seconds)
