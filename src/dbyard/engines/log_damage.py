"""What of a server's log says that it cannot read its own data."""

from __future__ import annotations

import re
from collections.abc import Sequence

_LONGEST = 300


def find_line(lines: Sequence[str], pattern: re.Pattern[str]) -> str | None:
    """The last line that the pattern finds something in, cut to a length that can be shown. Pure."""
    found = next((line.strip() for line in reversed(lines) if pattern.search(line)), None)
    return None if found is None else found[:_LONGEST]
