"""What the steps of several kinds do with a server: start it and wait until it answers."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from dbyard.errors import NotReady, Stuck, TemporaryError
from dbyard.model import MIB, Address, Credentials, ExitStatus, InstanceSpec, InstanceState, Operation
from dbyard.operations import Context, Wait
from dbyard.operations.target import Target, credentials, render
from dbyard.store import operations


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something happened: a code for programs, a sentence for people."""

    code: str
    message: str


class ProbeResult(Enum):
    """What is heard of a server that is asked."""

    ANSWERS = "answers"
    SILENT = "silent"
    """Nothing in time; it may be busy."""
    STUCK = "stuck"
    """It is there, and what tenants ask for is not done."""


Ask = Callable[[Address, Credentials], None]
"""Asks a server something; raises NotReady as long as it does not answer."""

_PATIENCE = 2.0
"""Seconds that one step polls at most before it gives its thread back."""
_TURN = 0.2
_SILENCE = 0.8
"""Seconds after which no answer is none; engines wait for one second."""
_LOG_LINES = 10


def wait_for_start_slot(context: Context, operation: Operation, target: Target) -> Wait | None:
    """None when the server may be started now: as many slow starts at once as there are processors, the oldest first.

    More at once would all be ready as late as the last of them. A server that runs already need not be started.
    """
    slow = [technology.slug for technology in context.catalogue.technologies.values() if technology.slow_start]
    if target.database.technology not in slow or is_running(context, target):
        return None
    with context.store.read() as connection:
        before = operations.count_starting_before(connection, operation, slow, context.now())
    at_once = len(os.sched_getaffinity(0))
    if before < at_once:
        return None
    # The further behind, the longer it may be before looking again: looking takes time from those that start.
    pause = _TURN * (before - at_once + 1)
    return Wait(pause, f"{before} servers of its kind start before it, {at_once} at once", counts=False)


def await_ready(context: Context, target: Target, ask: Ask) -> Wait | None:
    """None when `ask` has its answer; else how long to wait. A server that has ended is started again first.

    Raises TemporaryError with why it ended and its last log lines, PortTaken when its port is somebody else's.
    """
    if not is_running(context, target):
        context.runtime.ensure(render(context, target), target.placement, target.installation)
    secrets, started, pause = credentials(context, target), time.monotonic(), 0.002
    while True:
        try:
            ask(target.endpoint, secrets)
        except NotReady as error:
            said = str(error)
        else:
            return None
        if not is_running(context, target):
            end = why_ended(context, target)
            raise TemporaryError(f"{end.message}{log_tail(context, target)}", code=end.code)
        if time.monotonic() - started > _PATIENCE:
            return Wait(0.2, f"the server does not answer yet ({said}){log_tail(context, target)}")
        time.sleep(pause)
        pause = min(pause * 1.2, 0.05)


def listen(context: Context, target: Target) -> ProbeResult:
    """What a running server says to its admin. One that refuses at once starts, recovers or is full: it works."""
    started = time.monotonic()
    try:
        target.engine.ping(target.endpoint, credentials(context, target))
    except Stuck:
        return ProbeResult.STUCK
    except NotReady:
        if time.monotonic() - started >= _SILENCE or not _is_open(target.endpoint):
            return ProbeResult.SILENT
    return ProbeResult.ANSWERS


def why_ended(context: Context, target: Target) -> Cause:
    """Why the server that does not run has ended, as far as that can be known; counted as one of its ends."""
    cause = describe_end(context.runtime.last_exit(target.instance.id), render(context, target))
    context.metrics.server_exits.labels(target.database.technology, cause.code).inc()
    return cause


def describe_end(end: ExitStatus, spec: InstanceSpec) -> Cause:
    """In words for the database's owner. Pure."""
    status = end.status
    if end.memory_kill and status in (None, -signal.SIGKILL):
        allowed = spec.memory // MIB
        return Cause("killed_for_memory", f"killed for using more memory than its plan allows ({allowed} MB in all)")
    if status is None:
        return Cause("server_exited", "the server ended")
    if status < 0:
        return Cause("server_killed", f"the server was ended by signal {-status} ({signal.strsignal(-status)})")
    if status == spec.server.memory_exit:
        message = f"the server gave up: it needs more memory than its plan allows (exit code {status})"
        return Cause("out_of_memory", message)
    return Cause("server_exited", f"the server ended with exit code {status}")


def is_running(context: Context, target: Target) -> bool:
    return context.runtime.state(target.instance.id) is InstanceState.RUNNING


def _is_open(endpoint: Address) -> bool:
    try:
        socket.create_connection((endpoint.host, endpoint.port), _SILENCE).close()
    except OSError:
        return False
    return True


def log_tail(context: Context, target: Target) -> str:
    lines = context.runtime.logs(target.instance.id, _LOG_LINES)
    return "; its last log lines:\n" + "\n".join(lines) if lines else ""
