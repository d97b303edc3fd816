"""Lines of a log as the clients of the Database API read them: each begins with its time and its server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

_ISO = re.compile(r"\[?(?:ts=)?(\d{4}-\d\d-\d\d)[T ] ?(\d{1,2}:\d\d:\d\d)(?:[.,](\d{1,6}))?")
_REDIS = re.compile(r"\d+:[A-Z] (\d\d \w{3} \d{4}) (\d\d:\d\d:\d\d)\.(\d{1,6})")


def encode_lines(lines: Sequence[str], server: str, now: datetime) -> Iterator[str]:
    """`DATE TIME OFFSET ZONE [SERVER] LINE`; one without a time of its own has the time of the one before it."""
    times = [_time(line) for line in lines]
    last = next((each for each in times if each), now)
    for line, time in zip(lines, times, strict=True):
        last = time or last
        yield f"{last:%Y-%m-%d %H:%M:%S.%f +0000 UTC} [{server}] {line}"


def _time(line: str) -> datetime | None:
    """When the server wrote the line, by its own account; servers write times in UTC."""
    for pattern, day in ((_ISO, "%Y-%m-%d"), (_REDIS, "%d %b %Y")):
        if found := pattern.match(line):
            text = f"{found[1]} {found[2]} {(found[3] or '0').ljust(6, '0')}"
            try:
                return datetime.strptime(text, f"{day} %H:%M:%S %f").replace(tzinfo=UTC)
            except ValueError:
                return None
    return None
