"""What its log looks like."""

from __future__ import annotations

import re
from datetime import datetime

from dbyard.engines.log_times import read_time

_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\.(\d+) (?:GMT|UTC) ")


def log_time(line: str) -> datetime | None:
    return read_time(line, _TIME)
