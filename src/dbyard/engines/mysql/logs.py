"""What its log looks like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from dbyard.engines.log_damage import find_line
from dbyard.engines.log_times import read_time

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T] *(\d{1,2}:\d\d:\d\d)(?:\.(\d+)Z)?")
_DAMAGE = re.compile(
    r"\[ERROR\].*(corrupt|[Cc]hecksum|Inconsistent tablespace|Missing FILE_|fsp header|Could not find any file)",
    re.IGNORECASE,
)


def log_time(line: str) -> datetime | None:
    return read_time(line, _TIME)


def find_damage(lines: Sequence[str]) -> str | None:
    return find_line(lines, _DAMAGE)
