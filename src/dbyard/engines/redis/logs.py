"""What its log looks like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from dbyard.engines.log_damage import find_line
from dbyard.engines.log_times import read_time

_TIME = re.compile(r"\d+:[A-Z] (\d\d \w{3} \d{4}) (\d\d:\d\d:\d\d)\.(\d+)")
_DAMAGE = re.compile(
    r"(Bad file format|Unrecoverable error|Unexpected end of file) reading the append only file|Invalid AOF manifest"
    r"|AOF MANIFEST FILE ERROR|The AOF file .* doesn't exist|Wrong signature trying to load|Fatal error loading the DB"
)


def log_time(line: str) -> datetime | None:
    return read_time(line, _TIME, "%d %b %Y")


def find_damage(lines: Sequence[str]) -> str | None:
    return find_line(lines, _DAMAGE)
