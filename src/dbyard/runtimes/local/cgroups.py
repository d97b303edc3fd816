"""Hard limits by cgroup, version 2 or 1, whichever can be used here; and the surest answer to "what runs here"."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dbyard.errors import TemporaryError
from dbyard.model import InstanceSpec, JobSpec
from dbyard.runtimes.local import processes

_ROOT = Path("/sys/fs/cgroup")
_CONTROLLERS = ("memory", "cpu", "pids")
_CONTROLLERS_V1 = (*_CONTROLLERS, "cpuacct")  # in version 2, `cpu` counts as well
_LEAVING_SECONDS = 5.0
_PERIOD = 100_000  # microseconds
_WEIGHT = 0.25
"""A server's share of a busy processor for each core of its plan, beside 1 for any other program.

A client that waits for its own database should not also wait for the time slices of another one that never rests.
"""
_NICE_CORES = 1.0
"""A job that gives way to servers weighs as much as a server of so many cores, however many it may use.

`nice` counts within a group only. With a fifth of that, a proof of MySQL came to no end on a busy machine.
"""


@dataclass(frozen=True, slots=True)
class Cgroups:
    """The groups of one home: `roots` maps a controller to where its hierarchy begins.

    Every instance's group lies right below, named `prefix` and its id, so that each server is weighed by itself.
    Together in a group of their own they would weigh as one, however many they are; and given more weight as a group,
    one busy server would outweigh every client on the machine.
    """

    version: int
    roots: Mapping[str, Path]
    prefix: str
    name_of: Callable[[str], str] = str
    """The name of an instance's group: its own id, but for one that was a running spare."""

    def group(self, controller: str, instance_id: str) -> Path | None:
        """The instance's group, there or not; None where the controller cannot be used."""
        root = self.roots.get(controller)
        return root / self._name(instance_id) if root else None

    def ensure(self, instance_id: str, limits: InstanceSpec | JobSpec) -> tuple[Path, ...]:
        """Make the group with its limits; returns the files that a shell joins by writing 0 (itself)."""
        groups = self._groups(instance_id)
        for group in groups:
            group.mkdir(exist_ok=True)
        for path, value in self._limits(self._name(instance_id), limits):
            path.write_text(value, encoding="ascii")
        # Only a thread that moves nothing but itself need not wait for a grace period of the kernel: 8 ms.
        joined = "cgroup.procs" if self.version == 2 else "tasks"
        return tuple(group / joined for group in groups)

    def members(self, instance_id: str) -> list[int]:
        """The pids in the instance's group; empty when it has none."""
        found: set[int] = set()
        for group in self._groups(instance_id):
            try:
                found.update(int(pid) for pid in (group / "cgroup.procs").read_text(encoding="ascii").split())
            except FileNotFoundError:
                continue
        return sorted(found)

    def remove(self, instance_id: str) -> None:
        """Remove the instance's empty group; repeating is free. The dead may take a moment to leave it."""
        for group in self._groups(instance_id):
            if not processes.wait_until(partial(_is_removed, group), _LEAVING_SECONDS):
                raise TemporaryError(f"processes of instance {instance_id} do not end", code="processes_left")

    def _groups(self, instance_id: str) -> list[Path]:
        name = self._name(instance_id)
        return sorted({root / name for root in self.roots.values()})

    def _name(self, instance_id: str) -> str:
        return f"{self.prefix}{self.name_of(instance_id)}"

    def _limits(self, group: str, spec: InstanceSpec | JobSpec) -> list[tuple[Path, str]]:
        quota = int(spec.cpu * _PERIOD)
        weight = _WEIGHT * (_NICE_CORES if isinstance(spec, JobSpec) and spec.nice else spec.cpu)
        if self.version == 2:
            values = {
                "memory": [("memory.max", str(spec.memory))],
                "cpu": [
                    ("cpu.max", f"{quota} {_PERIOD}"),
                    ("cpu.weight", str(_within(weight * 100, 1, 10_000))),
                ],
                "pids": [("pids.max", str(spec.pids))],
            }
        else:
            values = {
                "memory": [("memory.limit_in_bytes", str(spec.memory))],
                "cpu": [
                    ("cpu.cfs_period_us", str(_PERIOD)),
                    ("cpu.cfs_quota_us", str(quota)),
                    ("cpu.shares", str(_within(weight * 1024, 2, 262_144))),
                ],
                "cpuacct": [],
                "pids": [("pids.max", str(spec.pids))],
            }
        return [
            (root / group / name, value)
            for controller, root in self.roots.items()
            for name, value in values[controller]
        ]


def _within(value: float, least: int, most: int) -> int:
    return max(least, min(int(value), most))


def _is_removed(group: Path) -> bool:
    """The kernel holds on to a group for a moment after its last process has vanished, if that had much memory."""
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno == errno.EBUSY:
            return False
        raise
    return True


def probe(name: str, name_of: Callable[[str], str] = str) -> Cgroups | None:
    """The cgroups that can be used here for a home called `name`; None when there are none."""
    if os.geteuid() != 0:
        return None
    version = 2 if (_ROOT / "cgroup.controllers").exists() else 1
    prefix = f"dbyard-{name}-"
    roots = _probe_v2(prefix) if version == 2 else _probe_v1(prefix)
    return Cgroups(version, roots, prefix, name_of) if roots else None


def _probe_v2(prefix: str) -> dict[str, Path]:
    if not _can_make(_ROOT / f"{prefix}probe"):
        return {}
    return {controller: _ROOT for controller in _CONTROLLERS if _enable(_ROOT, controller)}


def _probe_v1(prefix: str) -> dict[str, Path]:
    roots = {controller: _ROOT / controller for controller in _CONTROLLERS_V1}
    return {
        controller: root
        for controller, root in roots.items()
        if (root / "cgroup.procs").exists() and _can_make(root / f"{prefix}probe")
    }


def _can_make(trial: Path) -> bool:
    try:
        trial.mkdir(exist_ok=True)
        trial.rmdir()
    except OSError:
        return False
    return True


def _enable(group: Path, controller: str) -> bool:
    try:
        (group / "cgroup.subtree_control").write_text(f"+{controller}", encoding="ascii")
    except OSError:
        return False
    return True
