"""One thread that learns of processes' deaths from their pidfds, within milliseconds, and reaps what they leave.

A process is known by its instance and the name of its record (`process.json` for the server).
"""

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
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Watch:
    fd: int
    key: _Key
    process: Process


class Watcher:
    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._lock = threading.Lock()
        self._reaping = threading.Lock()
        self._by_key: dict[_Key, _Watch] = {}
        self._by_fd: dict[int, _Watch] = {}
        self._awaited: set[int] = set()
        self._children: dict[_Key, int] = {}
        self._statuses: dict[int, int] = {}
        self._on_exit: Callable[[str, str], None] = lambda *_: None

    def start(self, on_exit: Callable[[str, str], None]) -> None:
        """From now on, `on_exit(instance_id, record)` is called in a thread of its own."""
        self._on_exit = on_exit
        threading.Thread(target=self._run, name="watcher", daemon=True).start()

    def add(self, instance_id: str, record: str, process: Process) -> None:
        """Watch this process, instead of any other of the same record."""
        key = (instance_id, record)
        with self._lock:
            self._remove(key)
        try:
            fd = os.pidfd_open(process.pid)
        except ProcessLookupError:
            return  # dead already: a look at its state tells that
        watch, child = _Watch(fd, key, process), processes.find_child_above(process)
        with self._lock:
            if child is not None:
                self._children[key] = child
            self._by_key[key] = self._by_fd[fd] = watch
            self._epoll.register(fd, select.EPOLLIN)

    def remove(self, instance_id: str) -> None:
        """Watch the processes of the instance no more: nobody is told of their ends."""
        with self._lock:
            for key in [key for key in {*self._by_key, *self._children} if key[0] == instance_id]:
                self._remove(key)

    def alive(self, instance_id: str, record: str) -> Process | None:
        """The process, if it is watched and living."""
        with self._lock:
            watch = self._by_key.get((instance_id, record))
        return watch.process if watch and processes.is_alive(watch.process) else None

    def status(self, instance_id: str, record: str) -> int | None:
        """The exit status of the process that was watched last and has ended; None when nobody told us.

        A sandbox ends a moment after what it holds.
        """
        child = self._children.get((instance_id, record))
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
            del self._by_key[watch.key]
            self._forget(watch)
        self._on_exit(*watch.key)

    def _remove(self, key: _Key) -> None:
        watch = self._by_key.pop(key, None)
        self._statuses.pop(self._children.pop(key, 0), None)
        if watch is not None:
            self._forget(watch)

    def _forget(self, watch: _Watch) -> None:
        del self._by_fd[watch.fd]
        self._epoll.unregister(watch.fd)
        os.close(watch.fd)
