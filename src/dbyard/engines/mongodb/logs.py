"""What its log looks like: SecantusDB writes lines of text, a mongod writes JSON."""

from __future__ import annotations

import re
from datetime import datetime

from dbyard.engines.log_times import read_time

_TIME = re.compile(r'(?:\{"t":\{"\$date":")?(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d+))?')


def log_time(line: str) -> datetime | None:
    return read_time(line, _TIME)
