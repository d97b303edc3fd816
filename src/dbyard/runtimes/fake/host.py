"""The machine of the fake runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dbyard.model import MIB, Capacity


@dataclass
class FakeHost:
    """A machine with room for everything, until a test says otherwise."""

    disk: Capacity = field(default_factory=lambda: Capacity(250 * 1024 * MIB, 100 * 1024 * MIB))
    ram: Capacity = field(default_factory=lambda: Capacity(24 * 1024 * MIB, 16 * 1024 * MIB))
    trims: int = 0

    def space(self) -> Capacity:
        return self.disk

    def memory(self) -> Capacity:
        return self.ram

    def has_room(self) -> bool:
        return self.disk.free >= 256 * MIB

    def trouble(self) -> str:
        return ""

    def limits(self) -> Mapping[str, str]:
        nothing = dict.fromkeys(("memory", "cpu", "processes", "sandbox", "network", "ports", "uid"), "nothing")
        return {**nothing, "disk": "watched by the platform"}

    def trim_logs(self) -> None:
        self.trims += 1
