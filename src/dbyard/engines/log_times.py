"""Reading the time at the beginning of a log line; each technology has a pattern of its own."""

from __future__ import annotations

import re
from datetime import UTC, datetime


def read_time(line: str, pattern: re.Pattern[str], day_format: str = "%Y-%m-%d") -> datetime | None:
    """The time that `pattern` finds as groups (day, time of day, fraction of a second or None), which is in UTC."""
    found = pattern.match(line)
    if found is None:
        return None
    day, time, fraction = found.groups()
    try:
        told = datetime.strptime(f"{day} {time}", f"{day_format} %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return told.replace(microsecond=int((fraction or "0")[:6].ljust(6, "0")))
