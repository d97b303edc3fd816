"""What the steps of several kinds do with a server: start it and wait until it answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from dbyard.errors import NotReady, TemporaryError
from dbyard.model import Credentials, Endpoint, InstanceState, Operation
from dbyard.operations import Context, Wait
from dbyard.operations.subject import Subject, credentials, render
from dbyard.store import operations

Ask = Callable[[Endpoint, Credentials], None]
"""Asks a server something; raises NotReady as long as it does not answer."""

_PATIENCE = 2.0
"""Seconds that one step polls at most before it gives its thread back."""
_TURN = 0.2
_LOG_LINES = 10


def await_turn(context: Context, operation: Operation, subject: Subject) -> Wait | None:
    """None when the server may be started now: as many slow starts at once as there are processors, the oldest first.

    More at once would all be ready as late as the last of them.
    """
    slow = [technology.slug for technology in context.catalogue.technologies.values() if technology.slow_start]
    if subject.database.technology not in slow:
        return None
    with context.store.read() as connection:
        before = operations.count_starting_before(connection, operation, slow, context.now())
    at_once = len(os.sched_getaffinity(0))
    if before < at_once:
        return None
    return Wait(_TURN, f"{before} servers of its kind start before it, {at_once} at once")


def await_ready(context: Context, subject: Subject, ask: Ask) -> Wait | None:
    """None when `ask` has its answer; else how long to wait. A server that has ended is started again first.

    Raises TemporaryError with the server's last log lines when it ends, PortTaken when its port is somebody else's.
    """
    if context.runtime.state(subject.instance.id) is not InstanceState.RUNNING:
        context.runtime.ensure(render(context, subject), subject.placement, subject.installation)
    secrets, started, pause = credentials(context, subject), time.monotonic(), 0.002
    while True:
        try:
            ask(subject.endpoint, secrets)
        except NotReady as error:
            said = str(error)
        else:
            return None
        if context.runtime.state(subject.instance.id) is not InstanceState.RUNNING:
            raise TemporaryError(f"the server ended{last_words(context, subject)}", code="server_exited")
        if time.monotonic() - started > _PATIENCE:
            return Wait(0.2, f"the server does not answer yet ({said}){last_words(context, subject)}")
        time.sleep(pause)
        pause = min(pause * 1.2, 0.05)


def last_words(context: Context, subject: Subject) -> str:
    lines = context.runtime.logs(subject.instance.id, _LOG_LINES)
    return "; its last log lines:\n" + "\n".join(lines) if lines else ""
