"""What several parts count with."""

from __future__ import annotations

MIB = 1024 * 1024
DISK_WARNING = 0.85
"""The share of its disk at which a database's owner is warned."""
DISK_READ_ONLY = 0.95
"""The share of its disk at which a database becomes read-only."""
FAULTY = 2
"""The exit code of a tool that finds data damaged; with any other one it only failed."""
