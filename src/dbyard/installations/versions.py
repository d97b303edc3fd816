"""Comparing the full version that a server prints with what the catalogue names."""

from __future__ import annotations

import re

from dbyard.model import Version
from dbyard.recipes import DebianRootRecipe


def matches(version: Version, full: str) -> bool:
    return full.startswith(f"{version.version}.")


def follows(version: Version, full: str) -> bool:
    """Whether it is what a release of Debian that moves on has instead: newer, with the same first number."""
    is_rolling = isinstance(version.recipe, DebianRootRecipe) and version.recipe.rolling
    wanted, found = version_key(version.version), version_key(full)
    return is_rolling and wanted[0] == found[0] and wanted < found


def version_key(full: str) -> tuple[int, ...]:
    """Greater for a newer version."""
    return tuple(int(part) for part in re.findall(r"\d+", full))
