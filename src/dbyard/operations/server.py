"""What the steps of several kinds do with a server: start it and wait until it answers."""

from __future__ import annotations

import time
from collections.abc import Callable

from dbyard.errors import NotReady, TemporaryError
from dbyard.model import Credentials, Endpoint, InstanceState
from dbyard.operations import Context, Wait
from dbyard.operations.subject import Subject, credentials, render

Ask = Callable[[Endpoint, Credentials], None]
"""Asks a server something; raises NotReady as long as it does not answer."""

_PATIENCE = 2.0
"""Seconds that one step polls at most before it gives its thread back."""
_LOG_LINES = 10


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
