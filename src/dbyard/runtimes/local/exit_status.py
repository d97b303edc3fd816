"""How a server ended, as far as its cgroup and the process that waited for it can tell."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard.model import ExitStatus
from dbyard.runtimes.local import usage
from dbyard.runtimes.local.cgroups import Cgroups

_SIGNALLED = 128  # a sandbox and a shell say so of a signal: 128 and its number


def memory_kills(cgroups: Cgroups | None, instance_id: str) -> int:
    """How often the kernel has killed something in the instance's group; the group lives on between its servers."""
    return usage.memory_kills(cgroups, instance_id) if cgroups else 0


def describe(started: Mapping[str, object], memory_kills: int, status: int | None, *, sandboxed: bool) -> ExitStatus:
    """`started` is what was recorded when the server was started. Pure."""
    if sandboxed and status is not None:
        status = of_shell(status)
    before = started.get("memory_kills")
    return ExitStatus(status, isinstance(before, int) and memory_kills > before)


def of_shell(code: int) -> int:
    """An exit code, or a signal as a negative number. Pure."""
    return _SIGNALLED - code if code > _SIGNALLED else code
