"""What its log looks like: SecantusDB writes lines of text, a mongod writes JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from dbyard.engines.log_damage import find_line
from dbyard.engines.log_times import read_time

_TIME = re.compile(r'(?:\{"t":\{"\$date":")?(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d+))?')
_DAMAGE = re.compile(r"is corrupted|database corruption detected|Recovery failed: WT_ERROR|read checksum error")


def log_time(line: str) -> datetime | None:
    return read_time(line, _TIME)


def find_damage(lines: Sequence[str]) -> str | None:
    return find_line(lines, _DAMAGE)
