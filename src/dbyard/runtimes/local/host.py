"""What this machine has left for its servers, and what holds them to their limits."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from dbyard.model import MIB, Capacity
from dbyard.runtimes.local import directories, jobs, usage
from dbyard.runtimes.local.home import Home

_ROOM_BYTES = 256 * MIB


class LocalHost:
    def __init__(self, home: Home) -> None:
        self._home = home

    def space(self) -> Capacity:
        return usage.space(self._home.path)

    def memory(self) -> Capacity:
        return usage.memory()

    def has_room(self) -> bool:
        return shutil.disk_usage(self._home.path).free >= _ROOM_BYTES

    def trouble(self) -> str:
        try:
            os.utime(self._home.path)
        except OSError as error:
            return f"the home {self._home.path} cannot be written: {error.strerror}"
        return ""

    def limits(self) -> Mapping[str, str]:
        held = self._home.cgroups
        by_cgroup = dict.fromkeys(held.roots, f"cgroup v{held.version}") if held else {}
        return {
            "memory": by_cgroup.get("memory", "engine settings and rlimit"),
            "cpu": by_cgroup.get("cpu", "none"),
            "processes": by_cgroup.get("pids", "none"),
            "disk": "watched by the platform",
            "sandbox": "bubblewrap" if self._home.bubblewrap else "none",
            "network": "no outgoing connections" if self._home.syscall_filter else "the machine's",
            "ports": "its own" if self._home.holds_ports else "any free one",
            "uid": "one per instance" if os.geteuid() == 0 else "shared",
        }

    def trim_logs(self) -> None:
        for instance_id in self._home.list_instances():
            for path in directories.list_logs(self._home.directory(instance_id)):
                directories.trim_log(path)
        jobs.trim_logs(self._home)
