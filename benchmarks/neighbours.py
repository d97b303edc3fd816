"""What one database that burns processors, memory or disk does to its neighbour's slowest answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from statistics import quantiles

import psycopg

from benchmarks.measure import Pair, alternate
from benchmarks.platform import Platform, running
from benchmarks.report import Line, duration
from benchmarks.tenant import Tenant

_ROUNDS = 5
_PROBE_SECONDS = 1.5
_SESSIONS = 4
_MOST = 1.5
_REPORTED = 1000.0
"""Nothing is promised of disk traffic: the figure is there to be seen."""

_NOISE: Mapping[str, str] = {
    "processors": "SELECT count(*) FROM generate_series(1, 3000000) AS n WHERE n % 7 = 3",
    "memory": "SELECT length(string_agg(repeat('x', 1000), '')) FROM generate_series(1, 900000)",
    "disk": "INSERT INTO noise SELECT repeat('x', 1000) FROM generate_series(1, 20000)",
}


def noisy_neighbour() -> Iterator[Line]:
    """One line for each kind of noise: the 99th percentile of a point query with it, over that without it."""
    with running("postgresql", spares=0) as platform:
        quiet, noisy = _database(platform, "quiet-db"), _database(platform, "noisy-db")
        with _prepared(quiet) as session:
            for kind, statement in _NOISE.items():
                pair = _compare(session, noisy, statement)
                most = _REPORTED if kind == "disk" else _MOST
                yield duration(f"p99 of a query while a neighbour burns {kind}", pair, most)


def _database(platform: Platform, name: str) -> Tenant:
    platform.open("postgresql", name)
    tenant = platform.await_tenant("postgresql", name)
    with psycopg.connect(tenant.url, autocommit=True) as session:
        session.execute("CREATE TABLE noise (text text)")
        session.execute("CREATE TABLE probe (id int PRIMARY KEY, text text)")
        session.execute("INSERT INTO probe SELECT n, repeat('x', 200) FROM generate_series(1, 10000) n")
    return tenant


@contextmanager
def _prepared(tenant: Tenant) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with psycopg.connect(tenant.url, autocommit=True) as session:
        yield session


def _compare(session: psycopg.Connection[tuple[object, ...]], noisy: Tenant, statement: str) -> Pair:
    def with_noise() -> float:
        with _noise(noisy, statement):
            return _probe(session)

    return alternate(_ROUNDS, with_noise, lambda: _probe(session))


def _probe(session: psycopg.Connection[tuple[object, ...]]) -> float:
    """The 99th percentile of point queries, one after the other, in seconds."""
    taken, until, number = [], time.monotonic() + _PROBE_SECONDS, 0
    while time.monotonic() < until:
        number = number * 7919 % 10_000 + 1
        started = time.perf_counter()
        session.execute("SELECT text FROM probe WHERE id = %s", (number,)).fetchone()
        taken.append(time.perf_counter() - started)
    return quantiles(taken, n=100)[98]


@contextmanager
def _noise(tenant: Tenant, statement: str) -> Iterator[None]:
    """The statement over and over again in a few sessions; what it writes is gone afterwards."""
    stopping = threading.Event()
    sessions = [_connect(tenant) for _ in range(_SESSIONS)]
    threads = [threading.Thread(target=_repeat, args=(stopping, session, statement)) for session in sessions]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for session, thread in zip(sessions, threads, strict=True):
            _quietly(session.cancel)
            thread.join()
            session.close()
        _await_empty(tenant)


def _repeat(stopping: threading.Event, session: psycopg.Connection[tuple[object, ...]], statement: str) -> None:
    """A refusal (out of memory, cancelled) is what noise may get; a session that was ended makes no more of it."""
    while not stopping.is_set() and not session.closed:
        _quietly(lambda: session.execute(statement))


def _connect(tenant: Tenant) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(tenant.url, autocommit=True)


def _await_empty(tenant: Tenant) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with _connect(tenant) as session:
                session.execute("TRUNCATE noise")
            return
        except psycopg.Error:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _quietly(work: Callable[[], object]) -> None:
    with suppress(psycopg.Error):
        work()
