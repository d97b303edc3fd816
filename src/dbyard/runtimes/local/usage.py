"""What an instance uses: its disk by its files, its memory and processor time by its cgroup, else by its processes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from pathlib import Path

from dbyard.model import Capacity, Usage
from dbyard.runtimes.local.cgroups import Cgroups

_BLOCK = 512
_TICKS = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12  # fields of /proc/PID/stat after the program's name


def disk(directory: Path) -> int:
    """The bytes on disk of all files below; no link is followed, and what vanishes meanwhile counts nothing."""
    total, seen, pending = 0, set[int](), [str(directory)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    elif found.st_nlink > 1:
                        if found.st_ino in seen:
                            continue
                        seen.add(found.st_ino)
                    total += found.st_blocks * _BLOCK
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            continue
    return total


def space(directory: Path) -> Capacity:
    found = os.statvfs(directory)
    return Capacity(found.f_frsize * found.f_blocks, found.f_frsize * found.f_bavail)


def memory() -> Capacity:
    """The machine's: what a limit around all of the machine takes away is not seen here."""
    told = _pairs(Path("/proc/meminfo"))
    return Capacity(told.get("MemTotal:", 0) * 1024, told.get("MemAvailable:", 0) * 1024)


def by_cgroup(cgroups: Cgroups, instance_id: str) -> Usage:
    """What the kernel has counted for all processes of the instance together, dead ones included."""
    if cgroups.version == 2:
        return _by_cgroup_v2(cgroups, instance_id)
    group = _group(cgroups, "memory", instance_id)
    told = _pairs(group / "memory.stat")
    used, swap = _number(group / "memory.usage_in_bytes"), told.get("total_swap")
    return Usage(
        cpu_seconds(cgroups, instance_id),
        None if used is None else max(0, used - told.get("total_inactive_file", 0) - told.get("total_active_file", 0)),
        _number(group / "memory.max_usage_in_bytes"),
        swap,
        bytes_written(cgroups.members(instance_id)),
    )


def cpu_seconds(cgroups: Cgroups, instance_id: str) -> float | None:
    if cgroups.version == 2:
        spent = _pairs(_group(cgroups, "cpu", instance_id) / "cpu.stat").get("usage_usec")
        return None if spent is None else spent / 1e6
    nanoseconds = _number(_group(cgroups, "cpuacct", instance_id) / "cpuacct.usage")
    return None if nanoseconds is None else nanoseconds / 1e9


def memory_kills(cgroups: Cgroups, instance_id: str) -> int:
    """How many processes of the instance's group the kernel has killed for its limit since there is the group."""
    name = "memory.events" if cgroups.version == 2 else "memory.oom_control"
    return _pairs(_group(cgroups, "memory", instance_id) / name).get("oom_kill", 0)


def by_processes(pids: Collection[int]) -> Usage:
    """The same by adding up what lives; pages that processes share are counted once, in parts."""
    cpu, memory, swap = 0.0, 0, 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            told = _pairs(Path(f"/proc/{pid}/smaps_rollup"))
        except OSError:
            continue  # it has ended
        cpu += (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS
        memory += told.get("Pss:", 0) * 1024
        swap += told.get("Swap:", 0) * 1024
    return Usage(cpu, memory, None, swap, bytes_written(pids))


def bytes_written(pids: Iterable[int]) -> int | None:
    """The bytes that living processes have sent to disks, as far as we may know."""
    told = [_pairs(Path(f"/proc/{pid}/io")).get("write_bytes:") for pid in pids]
    known = [each for each in told if each is not None]
    return sum(known) if known else None


def _by_cgroup_v2(cgroups: Cgroups, instance_id: str) -> Usage:
    group = _group(cgroups, "memory", instance_id)
    told = _pairs(group / "memory.stat")
    used = _number(group / "memory.current")
    return Usage(
        cpu_seconds(cgroups, instance_id),
        None if used is None else max(0, used - told.get("inactive_file", 0) - told.get("active_file", 0)),
        _number(group / "memory.peak"),
        _number(group / "memory.swap.current"),
        bytes_written(cgroups.members(instance_id)),
    )


def _group(cgroups: Cgroups, controller: str, instance_id: str) -> Path:
    return cgroups.group(controller, instance_id) or Path("/nonexistent")


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _pairs(path: Path) -> dict[str, int]:
    """The lines `NAME NUMBER …` of a file; empty when there is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    fields = (line.split() for line in lines)
    return {name: int(value) for name, value, *_ in (each for each in fields if len(each) > 1) if value.isdecimal()}
