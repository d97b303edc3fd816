"""Starting programs in a sandbox: a server or a job that outlives us, or a command that we wait for."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from dbyard.errors import TemporaryError
from dbyard.model import Command
from dbyard.runtimes.local import directories, own_ports, processes
from dbyard.runtimes.local.processes import Process
from dbyard.runtimes.local.sandbox import SandboxSpec, wrap
from dbyard.runtimes.local.watcher import Watcher

_INFO_FD = 3
_COMMAND_SECONDS = 120.0
_START_SECONDS = 10.0
_OUTPUT_BYTES = 1024 * 1024
_LAST_LINES = 10
_Action = tuple[object, ...]
T = TypeVar("T")


def start(
    box: SandboxSpec, argv: Sequence[str], env: Mapping[str, str], bubblewrap: Path | None, output: Path
) -> Process | None:
    """Start a detached server; returns once its own program runs, None when it ended before that."""
    reader, writer = os.pipe()
    out = _open_output(output)
    try:
        wrapped = wrap(box, argv, bubblewrap, _INFO_FD)
        outer = _hold(box.ports, lambda: _spawn(wrapped, env, out, writer))
    finally:
        os.close(out)
        os.close(writer)
    with open(reader, "rb") as info:
        pid = _read_child_pid(info.fileno()) if bubblewrap else outer
    return _await_program(pid, tuple(argv)) if pid else None


def start_job(
    argv: Sequence[str], env: Mapping[str, str], output: Path, stdin: str, ports: frozenset[int] | None
) -> Process | None:
    """Start a detached program; what it reads is only in memory, never in a file. None when it ended at once.

    `ports` as those of a sandbox.
    """
    fd, out = os.memfd_create("stdin"), _open_output(output)
    try:
        _write_all(fd, stdin.encode())
        os.lseek(fd, 0, os.SEEK_SET)
        pid = _hold(ports, lambda: _spawn_detached(argv, env, [(os.POSIX_SPAWN_DUP2, fd, 0)], out))
    finally:
        os.close(fd)
        os.close(out)
    return _await_program(pid, tuple(argv))


def run(
    box: SandboxSpec,
    command: Command,
    env: Mapping[str, str],
    bubblewrap: Path | None,
    output: Path,
    watcher: Watcher,
) -> None:
    """Run a command to its end; what it prints goes to `output`. Raises TemporaryError with its last lines."""
    argv = wrap(box, command.argv, bubblewrap, None)
    with watcher.awaiting(lambda: _hold(box.ports, lambda: _open_program(argv, env, output))) as program:
        try:
            program.communicate(command.stdin.encode(), timeout=_COMMAND_SECONDS)
        except subprocess.TimeoutExpired as error:
            program.kill()
            program.wait()
            message = f"{_name(command)} did not end in {_COMMAND_SECONDS:.0f} s"
            raise TemporaryError(message, code="init_failed") from error
    if program.returncode != 0:
        said = "\n".join(directories.last_lines(box.directory, _LAST_LINES))
        message = f"{_name(command)} failed with exit code {program.returncode}; its last lines:\n{said}"
        raise TemporaryError(message, code="init_failed")


def _hold(ports: frozenset[int] | None, start: Callable[[], T]) -> T:
    return start() if ports is None else own_ports.start_held(ports, start)


def _open_program(argv: list[str], env: Mapping[str, str], output: Path) -> subprocess.Popen[bytes]:
    out = _open_output(output)
    try:
        return subprocess.Popen(argv, env=dict(env), stdin=subprocess.PIPE, stdout=out, stderr=out)
    finally:
        os.close(out)


def _spawn(argv: Sequence[str], env: Mapping[str, str], out: int, info: int) -> int:
    nothing = (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)
    return _spawn_detached(argv, env, [nothing, (os.POSIX_SPAWN_DUP2, info, _INFO_FD)], out)


def _spawn_detached(argv: Sequence[str], env: Mapping[str, str], actions: Sequence[_Action], out: int) -> int:
    every = [*actions, (os.POSIX_SPAWN_DUP2, out, 1), (os.POSIX_SPAWN_DUP2, out, 2)]
    # Python ignores SIGPIPE; a server must not inherit that.
    return os.posix_spawn(
        argv[0], list(argv), dict(env), file_actions=every, setsid=True, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ]
    )


def _write_all(fd: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(fd, left) :]


def _read_child_pid(info: int) -> int | None:
    """What bwrap tells of its child. Killed halfway, it leaves a child that waits for ever and holds the pipe open."""
    deadline, text = time.monotonic() + _START_SECONDS, b""
    poll = select.poll()
    poll.register(info, select.POLLIN)
    while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        part = os.read(info, 4096)
        if not part:
            found = re.search(rb'"child-pid": *(\d+)', text)
            return int(found.group(1)) if found else None
        text += part
    return None


def _await_program(pid: int, argv: tuple[str, ...]) -> Process | None:
    """Wait while the wrappers replace themselves; pid and start time stay the same through all of it."""
    found: Process | None = None

    def decided() -> bool:
        nonlocal found
        found = processes.read(pid)
        return found is None or found.argv == argv

    processes.wait_until(decided, _START_SECONDS)
    return found


def _open_output(path: Path) -> int:
    # In a directory that only root writes to (as root): the server cannot put a link there.
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    if os.fstat(fd).st_size > _OUTPUT_BYTES:
        os.ftruncate(fd, 0)
    return fd


def _name(command: Command) -> str:
    return Path(command.argv[0]).name
