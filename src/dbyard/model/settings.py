"""Settings of a server that the owner of its database may choose."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

Settings = Mapping[str, str]
"""By their names, those that are not the default."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting of a technology, by its server's own name for it. It takes `values`, or what fits `pattern`."""

    name: str
    default: str
    description: str
    values: tuple[str, ...] = ()
    pattern: str = ""
    fixed: bool = False
    """Chosen when a database is created, and never again."""

    def takes(self, value: str) -> bool:
        return value in self.values if self.values else re.fullmatch(self.pattern, value) is not None

    def of(self, settings: Settings) -> str:
        """Its value among these."""
        return settings.get(self.name, self.default)
