"""Lines of a log as the clients of the Database API read them: each begins with its time and its server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from dbyard.service.databases.logs import LogLine


def encode_lines(lines: Sequence[LogLine], server: str, now: datetime) -> Iterator[str]:
    """`DATE TIME OFFSET ZONE [SERVER] LINE`; one without a time of its own has the time of the one before it."""
    last = next((each.at for each in lines if each.at), now)
    for line in lines:
        last = line.at or last
        yield f"{last:%Y-%m-%d %H:%M:%S.%f +0000 UTC} [{server}] {line.text}"
