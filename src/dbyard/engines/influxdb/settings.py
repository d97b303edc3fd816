"""What the owner of a database may choose."""

from __future__ import annotations

from dbyard.model import Setting

FOR_EVER = "INF"
RETENTION = Setting(
    "retention",
    FOR_EVER,
    "How long points are kept, such as 12h, 30d or 52w, an hour at least; INF for ever",
    pattern=r"INF|[1-9][0-9]{0,3}[hdw]",
)
SETTINGS = (RETENTION,)
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}


def retention_hours(value: str) -> int:
    """Of a value of RETENTION; 0 for ever, as the server has it. Pure."""
    return 0 if value == FOR_EVER else int(value[:-1]) * _HOURS[value[-1]]


def shard_hours(hours: int) -> int:
    """How much time goes into one file, as the server chooses by itself: a file is removed as a whole. Pure."""
    if hours == 0 or hours > 180 * 24:
        return 7 * 24
    return 24 if hours > 2 * 24 else 1
