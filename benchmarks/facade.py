"""What Scalingo's Go clients ask to find one database: five requests, four of them for each database of the account."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from statistics import median

from benchmarks.bare import bare
from benchmarks.measure import Pair, alternate
from benchmarks.places import scratch
from benchmarks.platform import Platform, serving
from benchmarks.report import Line, latency
from benchmarks.stored import fill, name_of

_OWN = 1_000
_ROUNDS = 5
_REQUESTS = 200
_MOST_SECONDS = 0.002

_NAME = name_of(_OWN // 2)


def search() -> Iterator[Line]:
    with ExitStack() as stack:
        home = stack.enter_context(scratch()) / "home"
        fill(home, 0, _OWN)
        platform = stack.enter_context(serving(home, spares="0", running_spares="0"))
        status, answer = platform.request("GET", f"/v1/databases/{_NAME}")
        assert status == 200, answer
        addon = f"ad-{answer['database']['id']}"
        for method, path, work in (
            ("GET", "/v1/databases", f"list of {_OWN:,} databases"),
            ("GET", f"/v1/apps/{_NAME}/addons", "its addons"),
            ("GET", f"/v1/apps/{_NAME}", "its app"),
            ("POST", f"/v1/apps/{_NAME}/addons/{addon}/token", "a token for its addon"),
            ("GET", f"/api/databases/{addon}", "the database of the Database API"),
        ):
            yield latency(f"search: {work}", _compare(platform, method, path), _MOST_SECONDS)


def _compare(platform: Platform, method: str, path: str) -> Pair:
    body, headers = b"{}" if method == "POST" else None, platform.headers
    ours = HTTPConnection("127.0.0.1", platform.port)
    answer = _ask(ours, method, path, body, headers)
    with bare(answer) as port:
        floor = HTTPConnection("127.0.0.1", port)
        return alternate(
            _ROUNDS,
            lambda: _measure(ours, method, path, body, headers),
            lambda: _measure(floor, method, path, body, headers),
        )


def _measure(connection: HTTPConnection, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> float:
    """The median of so many requests; the connection is opened anew, because a server closes those that idle."""
    connection.close()
    _ask(connection, method, path, body, headers)
    samples = []
    for _ in range(_REQUESTS):
        started = time.perf_counter()
        _ask(connection, method, path, body, headers)
        samples.append(time.perf_counter() - started)
    return median(samples)


def _ask(connection: HTTPConnection, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status == 200, text
    return text
