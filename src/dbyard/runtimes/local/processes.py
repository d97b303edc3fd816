"""Processes as the kernel tells them: identity, children, death. A pid alone is never an identity."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_STATE, _PARENT, _THREADS, _START_TIME = 0, 1, 17, 19  # fields of /proc/PID/stat after the program's name


@dataclass(frozen=True, slots=True)
class Process:
    """`start_time` is in clock ticks since boot: with the pid it names a process for as long as the machine runs."""

    pid: int
    start_time: int
    argv: tuple[str, ...]


def read(pid: int) -> Process | None:
    """The living process with this pid; None when there is none, or only a zombie."""
    try:
        fields = _stat(pid)
        argv = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    if _is_dead(fields):
        return None
    return Process(pid, int(fields[_START_TIME]), tuple(os.fsdecode(part) for part in argv.split(b"\0")[:-1]))


def find_recorded(record: Mapping[str, object] | None) -> Process | None:
    """The living process that `record` names by pid, start time and argv together; None when any of them is another."""
    pid = record.get("pid") if record else None
    process = read(pid) if isinstance(pid, int) else None
    if record is None or process is None or process.start_time != record.get("start_time"):
        return None
    return process if process.argv == recorded_argv(record) else None


def recorded_argv(record: Mapping[str, object]) -> tuple[str, ...]:
    argv = record.get("argv")
    return tuple(str(part) for part in argv) if isinstance(argv, list) else ()


def list_of_uid(uid: int) -> list[int]:
    """The pids of all living processes of a uid."""
    return [pid for pid in _pids() if _is_of_uid(pid, uid)]


def list_marked(marker: str) -> list[int]:
    """The pids of all processes whose environment holds `marker` (`NAME=value`), as far as it can be read."""
    wanted = marker.encode()
    return [pid for pid in _pids() if wanted in _environment(pid)]


def list_marked_like(prefix: str) -> list[int]:
    """The pids of all processes whose environment holds something that begins with `prefix`."""
    wanted = prefix.encode()
    return [pid for pid in _pids() if any(each.startswith(wanted) for each in _environment(pid))]


def reap_orphans(awaited: Callable[[int], bool]) -> dict[int, int]:
    """Collect dead children that nothing awaits: servers of ours, and what they left to us as their subreaper.

    Returns their exit codes by their pids; a signal is a negative number.
    """
    ended = {}
    for pid in _children():
        if not awaited(pid) and _is_zombie(pid):
            try:
                reaped, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue  # reaped by another thread meanwhile
            if reaped:
                ended[pid] = os.waitstatus_to_exitcode(status)
    return ended


def find_child_above(process: Process) -> int | None:
    """The child of ours whose end tells how the process ended: itself, or the sandbox that waits for it."""
    try:
        parent = int(_stat(process.pid)[_PARENT])
        if parent == os.getpid():
            return process.pid
        return parent if int(_stat(parent)[_PARENT]) == os.getpid() else None
    except OSError:
        return None


def become_subreaper() -> None:
    """Orphans below this process become its children, so that a dead server's pid vanishes at once."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


@contextmanager
def open_pidfd(process: Process) -> Iterator[int | None]:
    """A handle on exactly this process, or None when it is gone: the pid cannot be reused between check and signal."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:
        yield None
        return
    try:
        yield fd if is_alive(process) else None
    finally:
        os.close(fd)


def is_alive(process: Process) -> bool:
    try:
        fields = _stat(process.pid)
    except OSError:
        return False
    return not _is_dead(fields) and int(fields[_START_TIME]) == process.start_time


def send(process: Process, signum: int) -> None:
    """Signal exactly this process; one that has ended is left alone."""
    with open_pidfd(process) as fd:
        if fd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, signum)


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll `condition` with growing pauses; False when it did not hold in time."""
    deadline, pause = time.monotonic() + seconds, 0.0005
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.2, 0.05)
    return True


def _stat(pid: int) -> list[str]:
    with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
        return file.read().rpartition(b")")[2].decode("ascii").split()


def _is_dead(fields: list[str]) -> bool:
    """A zombie whose other threads still end is not dead yet: it holds its ports and files."""
    return fields[_STATE] in "ZX" and int(fields[_THREADS]) <= 1


def _pids() -> Iterator[int]:
    return (int(entry) for entry in os.listdir("/proc") if entry.isdigit())


def _is_of_uid(pid: int, uid: int) -> bool:
    try:
        return os.stat(f"/proc/{pid}").st_uid == uid and not _is_zombie(pid)
    except OSError:
        return False


def _is_zombie(pid: int) -> bool:
    try:
        return _is_dead(_stat(pid))
    except OSError:
        return False


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _children() -> list[int]:
    own = os.getpid()
    found: list[int] = []
    for task in os.listdir(f"/proc/{own}/task"):
        try:
            text = Path(f"/proc/{own}/task/{task}/children").read_text(encoding="ascii")
        except OSError:
            continue  # the thread has ended
        found += [int(pid) for pid in text.split()]
    return found
