"""What its log looks like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from dbyard.engines.log_damage import find_line
from dbyard.engines.log_times import read_time

_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)\.(\d+) (?:GMT|UTC) ")
_DAMAGE = re.compile(
    r"could not locate a valid checkpoint record|database files are incompatible with server"
    r"|contains (invalid data|incorrect checksum)|incorrect checksum in control file|could not read file"
    r"|is not a valid data directory|invalid checkpoint record"
)


def log_time(line: str) -> datetime | None:
    return read_time(line, _TIME)


def find_damage(lines: Sequence[str]) -> str | None:
    return find_line(lines, _DAMAGE)
