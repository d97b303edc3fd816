"""What several parts count with."""

from __future__ import annotations

MIB = 1024 * 1024
DISK_WARNING = 0.85
"""The share of its disk at which a database's owner is warned."""
ADDON_PREFIX = "ad-"
