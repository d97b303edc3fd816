"""How much disk an instance takes, without looking at all of its files each time.

Nothing can be written without processor time, which the control group tells for next to nothing: the last figure is
told again while the instance cannot have written more than the caller tolerates.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from dbyard.model import MIB, DataAccess
from dbyard.runtimes.local import jobs, usage
from dbyard.runtimes.local.home import Home

MOST_AGE = 300.0
"""Seconds after which even an idle instance is measured again: other programs may have written to its directory."""
_PER_CPU_SECOND = 4096 * MIB
"""Bytes that no program can write with less than a second of processor time."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found the last time; `at` is monotonic time."""

    at: float
    used: int
    cpu: float | None


class DiskMeter:
    def __init__(self, home: Home) -> None:
        self._home = home
        self._measured: dict[str, Measured] = {}

    def used(self, instance_id: str, tolerance: int) -> int:
        """The bytes on disk; at most `tolerance` too few."""
        now, cpu = time.monotonic(), self._cpu_seconds(instance_id)
        last = self._measured.get(instance_id)
        if last is not None and is_current(last, cpu, now, tolerance):
            return last.used
        used = usage.disk(self._home.directory(instance_id))
        self._measured[instance_id] = Measured(now, used, cpu)
        return used

    def forget(self, instance_id: str) -> None:
        self._measured.pop(instance_id, None)

    def _cpu_seconds(self, instance_id: str) -> float | None:
        """None where it is not told, or does not tell all: a job may write to the data as well."""
        if self._home.cgroups is None or jobs.list_of(self._home, instance_id, DataAccess.WRITE):
            return None
        return usage.cpu_seconds(self._home.cgroups, instance_id)


def is_current(last: Measured, cpu: float | None, now: float, tolerance: int) -> bool:
    """Whether the instance cannot have written more than `tolerance` bytes since it was measured. Pure."""
    if cpu is None or last.cpu is None or now - last.at > MOST_AGE or cpu < last.cpu:
        return False
    return tolerance > 0 and (cpu - last.cpu) * _PER_CPU_SECOND <= tolerance
