"""One thread that learns of servers' deaths from their pidfds, within milliseconds, and reaps what they leave."""

from __future__ import annotations

import logging
import os
import select
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from dbyard.runtimes.local import processes
from dbyard.runtimes.local.processes import Process

log = logging.getLogger(__name__)

_SANDBOX_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class _Watch:
    fd: int
    instance_id: str
    process: Process


class Watcher:
    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._lock = threading.Lock()
        self._reaping = threading.Lock()
        self._by_instance: dict[str, _Watch] = {}
        self._by_fd: dict[int, _Watch] = {}
        self._awaited: set[int] = set()
        self._children: dict[str, int] = {}
        self._statuses: dict[int, int] = {}
        self._on_exit: Callable[[str], None] = lambda _: None

    def start(self, on_exit: Callable[[str], None]) -> None:
        self._on_exit = on_exit
        threading.Thread(target=self._run, name="watcher", daemon=True).start()

    def add(self, instance_id: str, process: Process) -> None:
        """Watch this process as the instance's server, instead of any other."""
        self.remove(instance_id)
        try:
            fd = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return  # dead already: whoever asks for its state sees that
        watch, child = _Watch(fd, instance_id, process), processes.find_child_above(process)
        with self._lock:
            if child is not None:
                self._children[instance_id] = child
            self._by_instance[instance_id] = self._by_fd[fd] = watch
            self._epoll.register(fd, select.EPOLLIN)

    def remove(self, instance_id: str) -> None:
        """Watch the instance no more: its end is wanted."""
        with self._lock:
            watch = self._by_instance.pop(instance_id, None)
            self._statuses.pop(self._children.pop(instance_id, 0), None)
            if watch is not None:
                self._forget(watch)

    def alive(self, instance_id: str) -> Process | None:
        """The instance's server, if it is watched and living."""
        with self._lock:
            watch = self._by_instance.get(instance_id)
        return watch.process if watch and processes.is_alive(watch.process) else None

    def status(self, instance_id: str) -> int | None:
        """The exit status of the instance's server that was watched last and has ended; None when nobody told us.

        A sandbox ends a moment after what it holds.
        """
        child = self._children.get(instance_id)
        if child is not None and processes.wait_until(lambda: self._is_reaped(child), _SANDBOX_SECONDS):
            return self._statuses.get(child)
        return None

    @contextmanager
    def awaiting(self, start: Callable[[], subprocess.Popen[bytes]]) -> Iterator[subprocess.Popen[bytes]]:
        """Start a child whose end is left to the caller, however soon it comes."""
        with self._reaping:
            child = start()
            self._awaited.add(child.pid)
        try:
            yield child
        finally:
            self._awaited.discard(child.pid)

    def reap(self) -> None:
        with self._reaping:
            ended = processes.reap_orphans(self._awaited.__contains__)
            with self._lock:
                self._statuses |= {pid: ended[pid] for pid in self._children.values() if pid in ended}

    def _run(self) -> None:
        while True:
            for fd, _ in self._epoll.poll():
                try:
                    self._died(fd)
                except Exception:
                    log.exception("the end of a server could not be noted; the next sweep sees it")
            self.reap()

    def _is_reaped(self, child: int) -> bool:
        self.reap()
        return child in self._statuses

    def _died(self, fd: int) -> None:
        with self._lock:
            watch = self._by_fd.get(fd)
            if watch is None or processes.is_alive(watch.process):
                return  # its number has got another meaning since
            del self._by_instance[watch.instance_id]
            self._forget(watch)
        log.warning("the server of instance %s (pid %d) has ended", watch.instance_id, watch.process.pid)
        self._on_exit(watch.instance_id)

    def _forget(self, watch: _Watch) -> None:
        del self._by_fd[watch.fd]
        self._epoll.unregister(watch.fd)
        os.close(watch.fd)
