"""restrict: apply. Brings what a tenant may do to what its disk allows; which that is stands with the instance."""

from __future__ import annotations

import logging

from dbyard.errors import NotReady
from dbyard.model import Operation
from dbyard.operations import Context, Done, Kind, Outcome, server
from dbyard.operations.target import Target, credentials, load

log = logging.getLogger(__name__)

_PATIENCE = 8
"""Attempts that find nobody to talk to, some 40 seconds in all, before the server is started again."""


def apply(context: Context, operation: Operation) -> Outcome:
    """A server that does not run is started; one that lets nobody in, its admin neither, is started again."""
    target = load(context, operation)
    if operation.attempt > _PATIENCE and operation.error_code == NotReady.code:
        log.warning("the server of instance %s lets nobody in: it is started again", target.instance.id)
        context.runtime.stop(target.instance.id)
    waiting = server.await_ready(context, target, target.engine.ping)
    if waiting is not None:
        return waiting
    restrict(context, target)
    return Done()


def restrict(context: Context, target: Target) -> None:
    """What the disk allows now, whatever it was when somebody asked for it."""
    target.engine.restrict(target.endpoint, credentials(context, target), target.instance.restriction)


def on_failure(context: Context, operation: Operation) -> None:
    """Nothing to tidy up: whoever watches the disk asks again."""


KIND = Kind(steps={"apply": apply}, on_failure=on_failure)
