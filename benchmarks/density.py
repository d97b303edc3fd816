"""What the platform itself costs while very many small databases run and nobody asks for anything."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.platform import Platform, running
from benchmarks.report import Line, amount
from benchmarks.servers import installed
from benchmarks.tenant import await_answer

_DATABASES = 200
_CLIENTS = 4
_SETTLE_SECONDS = 3.0
_IDLE_SECONDS = 20.0


def idle() -> Iterator[Line]:
    installation = installed("redis")
    with running("redis") as platform, ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(lambda number: _open(platform, f"bench-{number:03}"), range(_DATABASES)))
        platform.await_spares("redis", 3)
        time.sleep(_SETTLE_SECONDS)
        before, started = _processor_seconds(platform.process.pid), time.monotonic()
        time.sleep(_IDLE_SECONDS)
        used = _processor_seconds(platform.process.pid) - before
        share = 100 * used / (time.monotonic() - started)
        what = f"with {_DATABASES} running databases ({installation.technology})"
        yield amount(f"Memory of the platform {what}", _resident_mb(platform.process.pid), "MB", 100)
        yield amount(f"Processor of the platform, idle {what}", share, "% of a core", 3)


def _open(platform: Platform, name: str) -> None:
    platform.create("redis", name)
    await_answer(platform.await_tenant("redis", name, pause=0.02))


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident_mb(pid: int) -> float:
    fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
