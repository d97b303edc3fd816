"""Threads that may wait for minutes for something outside, and that no end of the platform waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DaemonThreads(Executor):
    """As a ThreadPoolExecutor, whose threads Python would join before it ends. They are started with the first work."""

    def __init__(self, count: int, name: str) -> None:
        self._work = SimpleQueue[Callable[[], None]]()
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{each}", daemon=True) for each in range(count)
        ]
        self._started = False
        self._lock = threading.Lock()

    def submit(self, work: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> Future[T]:
        future = Future[T]()
        self._work.put(lambda: _do(future, work, *args, **named))
        with self._lock:
            if not self._started:
                self._started = True
                for thread in self._threads:
                    thread.start()
        return future

    def _run(self) -> None:
        while True:
            self._work.get()()


def _do(future: Future[Any], work: Callable[..., Any], *args: Any, **named: Any) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(work(*args, **named))
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
        future.set_exception(error)
