"""Reads over HTTP: one database, a list of a hundred, and both with very many databases stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection

from msgspec.structs import replace

from benchmarks.bare import bare
from benchmarks.load import Load, Run, load
from benchmarks.measure import Pair, alternate
from benchmarks.places import scratch
from benchmarks.platform import Platform, serving
from benchmarks.report import Line, rate
from benchmarks.stored import OWN, fill, name_of

_ROUNDS = 5
_SECONDS = 0.8
_FEW, _MANY = 1_000, 100_000

_ONE = f"/v1/databases/{name_of(OWN // 2)}"
_ALL = "/v1/databases"
_NOBODYS = "/v1/databases/not-there"
_STORED = (("GET one", _ONE, 200), (f"GET list of {OWN}", _ALL, 200), ("GET none", _NOBODYS, 404))


def against_bare() -> Iterator[Line]:
    with ExitStack() as stack:
        client = stack.enter_context(load())
        platform = _serve_filled(stack, 0)
        for work, path, least in (("GET one", _ONE, 0.5), (f"GET list of {OWN}", _ALL, 0.3)):
            with bare(_body(platform, path)) as port:
                ours = _run(platform, path)
                pair = _compare(client, ours, replace(ours, port=port))
            yield rate(f"{work}, beside a bare route", pair, least)


def many_stored() -> Iterator[Line]:
    """What nobody has is never in the cache of answers, so that asking for it always reads the store."""
    with ExitStack() as stack:
        client = stack.enter_context(load())
        many, few = _serve_filled(stack, _MANY), _serve_filled(stack, _FEW)
        for work, path, status in _STORED:
            pair = _compare(client, _run(many, path, status), _run(few, path, status))
            yield rate(f"{work}, {_MANY:,} databases stored beside {_FEW:,}", pair, 0.9)


def _serve_filled(stack: ExitStack, others: int) -> Platform:
    home = stack.enter_context(scratch()) / "home"
    fill(home, others)
    return stack.enter_context(serving(home, spares="0", running_spares="0"))


def _run(platform: Platform, path: str, status: int = 200) -> Run:
    return Run(platform.port, path, platform.token, _SECONDS, status)


def _compare(client: Load, ours: Run, floor: Run) -> Pair:
    return alternate(_ROUNDS, lambda: client.measure(ours), lambda: client.measure(floor))


def _body(platform: Platform, path: str) -> bytes:
    connection = HTTPConnection("127.0.0.1", platform.port)
    connection.request("GET", path, headers=platform.headers)
    return connection.getresponse().read()
