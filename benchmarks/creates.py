"""From `POST /v1/databases` to the tenant's first authenticated query."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial

from benchmarks.floor import Server, floor
from benchmarks.measure import Pair, alternate, timed
from benchmarks.platform import Platform, running
from benchmarks.report import Line, duration, seconds
from benchmarks.servers import installed
from benchmarks.tenant import await_answer
from dbyard.catalogue import load

_ROUNDS = 12
_SPARES = 3
_RUNNING_ROUNDS = 5
_BURST = 60
_CLIENTS = 8


def first_query(
    technology: str, most: float = 1.5, rounds: int = _ROUNDS, *, running_spares: int = 0
) -> Iterator[Line]:
    """One database at a time, whenever the spares are full again."""
    installation = installed(technology)
    spares = _SPARES if load().technologies[technology].spares else 0
    with ExitStack() as stack:
        platform = stack.enter_context(running(technology, spares=spares, running_spares=running_spares))
        servers = stack.enter_context(floor(installation)).prepare(rounds + 1)
        names = (f"bench-{number}" for number in range(rounds + 1))
        if running_spares:  # they are like the database that was created last
            platform.open(technology, "bench-first")

        def ours() -> float:
            platform.await_spares(technology, spares)
            platform.await_spares(f"running-{technology}", running_spares)
            name = next(names)
            return timed(lambda: platform.open(technology, name))

        pair = alternate(rounds, ours, lambda: timed(servers.pop().open))
    how = " with a running spare" if running_spares else ""
    work = f"POST to the tenant's first query, {installation.technology} {installation.version}{how}"
    yield duration(work, pair, most)


def running_spare() -> Iterator[Line]:
    """One OpenSearch database at a time, whenever a server waits for it and nothing else is being started."""
    installation = installed("opensearch")
    with running("opensearch", spares=0, running_spares=1) as platform:
        samples = []
        platform.open("opensearch", "bench-first")  # they are like the database that was created last
        for number in range(_RUNNING_ROUNDS + 1):
            platform.await_spares("running-opensearch", 1)
            samples.append(timed(partial(platform.open, "opensearch", f"bench-{number}")))
    work = f"POST to the tenant's first query, opensearch {installation.version} with a running spare"
    yield seconds(work, samples[1:], 1.0)


def burst() -> Iterator[Line]:
    """Many at once, out of as many spares."""
    installation = installed("postgresql")
    with ExitStack() as stack:
        servers = stack.enter_context(floor(installation)).prepare(_BURST)
        platform = stack.enter_context(running("postgresql", spares=_BURST))
        platform.await_spares("postgresql", _BURST, seconds=150)
        pair = Pair([timed(lambda: _open_all(platform))], [timed(lambda: _open_by_hand(servers))])
    yield duration(f"{_BURST} databases at once, postgresql {installation.version}", pair, 1.3)


def _open_all(platform: Platform) -> None:
    names = [f"bench-{number}" for number in range(_BURST)]
    with ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(lambda name: platform.create("postgresql", name), names))
        list(pool.map(lambda name: await_answer(platform.await_tenant("postgresql", name, 0.05)), names))


def _open_by_hand(servers: list[Server]) -> None:
    with ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(lambda server: server.open(), servers))
