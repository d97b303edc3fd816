"""What its log looks like."""

from __future__ import annotations

import re
from datetime import datetime

from dbyard.engines.log_times import read_time

_TIME = re.compile(r"ts=(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.(\d+))?Z")


def log_time(line: str) -> datetime | None:
    return read_time(line, _TIME)
