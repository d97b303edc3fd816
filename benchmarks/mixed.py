"""Twenty databases of all six technologies at once: how long until each answers, and whether the memory is enough."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path

from benchmarks.floor import Server, floor
from benchmarks.measure import Pair, timed
from benchmarks.platform import Platform, running
from benchmarks.report import Line, amount, duration
from benchmarks.servers import installed
from benchmarks.tenant import await_answer
from dbyard.catalogue import load

_TECHNOLOGIES = ("postgresql", "mysql", "redis", "mongodb", "opensearch", "influxdb")
_COUNT = 20
_THREADS = 8
_SPARES = -(-_COUNT // len(_TECHNOLOGIES))


def at_once() -> Iterator[Line]:
    """Out of enough spares; a database that does not answer in time fails the benchmark."""
    wanted = list(islice(cycle(_TECHNOLOGIES), _COUNT))
    slow = {slug for slug, technology in load().technologies.items() if technology.slow_start}
    with ExitStack() as stack:
        floors = {each: stack.enter_context(floor(installed(each))) for each in _TECHNOLOGIES}
        servers = [(each in slow, floors[each].prepare(1)[0]) for each in wanted]
        platform = stack.enter_context(running(*_TECHNOLOGIES, spares=_SPARES))
        for each in _TECHNOLOGIES:
            platform.await_spares(each, _SPARES if load().technologies[each].spares else 0, seconds=150)
        swapped, free = _swapped_out(), _available_mb()
        ours = timed(lambda: _open_all(platform, wanted))
        swapped, taken = _swapped_out() - swapped, free - _available_mb()
        pair = Pair([ours], [timed(lambda: _open_by_hand(servers))])
    what = f"{_COUNT} databases of {len(_TECHNOLOGIES)} technologies at once"
    yield duration(what, pair, 1.3)
    yield amount(f"Memory swapped out, {what}", swapped, "pages", 0)
    yield amount(f"Memory taken, {what}", taken, "MB", free)


def _open_all(platform: Platform, wanted: Sequence[str]) -> None:
    names = [f"bench-{number}" for number in range(len(wanted))]
    with ThreadPoolExecutor(len(wanted)) as pool:
        list(pool.map(platform.create, wanted, names))
        list(pool.map(lambda each, name: await_answer(platform.await_tenant(each, name, 0.05)), wanted, names))


def _open_by_hand(servers: Sequence[tuple[bool, Server]]) -> None:
    """By the platform's own rule: of those that start slowly as many at once as there are processors."""
    with ThreadPoolExecutor(_THREADS) as quick, ThreadPoolExecutor(len(os.sched_getaffinity(0))) as slow:
        opening: list[Future[None]] = [(slow if is_slow else quick).submit(each.open) for is_slow, each in servers]
        for each in opening:
            each.result()


def _swapped_out() -> int:
    """Pages since the machine was started."""
    return _kernel_says("/proc/vmstat", "pswpout")


def _available_mb() -> float:
    return _kernel_says("/proc/meminfo", "MemAvailable:") / 1024


def _kernel_says(path: str, name: str) -> int:
    lines = (line.split() for line in Path(path).read_text(encoding="ascii").splitlines())
    return next(int(line[1]) for line in lines if line[0] == name)
