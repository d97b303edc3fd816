"""From the death of a server (SIGKILL) to its next answer, beside a script that starts it again at once."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.floor import Server, floor
from benchmarks.measure import alternate, timed
from benchmarks.platform import Platform, running
from benchmarks.report import Line, duration
from benchmarks.servers import installed
from benchmarks.tenant import Tenant, await_answer

_ROUNDS = 8
_QUIET_SECONDS = 0.5


def restart(technology: str) -> Iterator[Line]:
    """Each database crashes once, because the platform waits between the restarts of one that keeps crashing."""
    installation = installed(technology)
    with ExitStack() as stack:
        platform = stack.enter_context(running(technology))
        server = stack.enter_context(floor(installation)).prepare(1)[0]
        tenants = [_create(platform, technology, f"bench-{number}") for number in range(_ROUNDS + 1)]
        platform.await_spares(technology, 3)
        server.open()

        def ours() -> float:
            time.sleep(_QUIET_SECONDS)
            return _crash(platform, tenants.pop())

        pair = alternate(_ROUNDS, ours, lambda: _crash_by_hand(server))
    yield duration(f"Crash of a server to its next answer, {technology} {installation.version}", pair, 1.5)


def _create(platform: Platform, technology: str, name: str) -> Tenant:
    platform.create(technology, name)
    tenant = platform.await_tenant(technology, name)
    await_answer(tenant)
    return tenant


def _crash(platform: Platform, tenant: Tenant) -> float:
    pid = _server_of(platform, tenant)
    os.kill(pid, signal.SIGKILL)
    return timed(lambda: await_answer(tenant))


def _crash_by_hand(server: Server) -> float:
    time.sleep(_QUIET_SECONDS)
    return timed(server.restart_after_crash)


def _server_of(platform: Platform, tenant: Tenant) -> int:
    for placement in platform.home.glob("instances/*/placement.json"):
        if json.loads(placement.read_text(encoding="utf-8"))["port"] == tenant.port:
            return int(json.loads(placement.with_name("process.json").read_text(encoding="utf-8"))["pid"])
    raise LookupError(f"no server of this home has port {tenant.port}")
