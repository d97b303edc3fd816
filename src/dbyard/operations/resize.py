"""resize: resize, or stop -> start -> await_ready -> configure. Brings a server to the plan that its database has now.

Where the server does not run with it, the database goes back to the plan that it had, and a heal to that one's server.
`params`: `plan` and `previous_plan`, both names.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dbyard.errors import NotReady, PermanentError, StepError, TemporaryError
from dbyard.model import Applied, Operation, RestartNeeded
from dbyard.operations import Context, Done, Kind, Next, Outcome, Save, Wait, heal, save_all, server
from dbyard.operations.target import Target, load, plan_of, release_of, render
from dbyard.runtimes import PortTaken
from dbyard.store import Connection, databases, instances

_ATTEMPTS = 4
"""How often a server may end with its new plan before the database goes back to the old one."""
_STOPPED = ("start", "await_ready", "configure")
"""Steps at which the server runs with its new plan, if it runs."""


def resize(context: Context, operation: Operation) -> Outcome:
    """Without a restart, where the server can do that and is given more than it has."""
    target = load(context, operation)
    if not _grows(context, operation, target):
        return Next("stop", message="it takes a restart")
    try:
        context.runtime.update(render(context, target), target.placement, release_of(context, target))
        outcome = server.configure(context, target)
    except (NotReady, StepError, OSError) as error:
        return Next("stop", outcome="not_resized", message=f"it takes a restart: {error}")
    match outcome:
        case Wait(_, reason) | RestartNeeded(reason):
            return Next("stop", message=f"it takes a restart: {reason}")
        case Applied(hidden=True):
            return Next("stop", message="it takes a restart, to let its tenant in")
        case _:
            return Done(server.save_configured(context, target))


def stop(context: Context, operation: Operation) -> Outcome:
    """As its technology stops, and not before it may start again: what it has acknowledged is there then."""
    target = load(context, operation)
    if waiting := server.wait_for_start_slot(context, operation, target):
        return waiting
    return server.stop(context, target) or Next("start")


def start(context: Context, operation: Operation) -> Outcome:
    with _limited(operation):
        return heal.start(context, operation)


def await_ready(context: Context, operation: Operation) -> Outcome:
    with _limited(operation):
        return heal.await_ready(context, operation)


def on_failure(context: Context, operation: Operation, reason: str) -> Save | None:
    """Go back. A server that was started for the new plan is stopped: a heal then starts it for the old one."""
    previous = str(operation.params["previous_plan"])

    def revert(connection: Connection) -> None:
        databases.revert_plan(connection, operation.database_id, previous)

    with context.store.read() as connection:
        primary = instances.get_primary(connection, operation.database_id)
    if operation.step not in _STOPPED or primary is None:
        return revert
    context.runtime.stop(primary.id)
    return save_all(revert, server.save_down(context, primary.id, reason))


KIND = Kind(
    steps={"resize": resize, "stop": stop, "start": start, "await_ready": await_ready, "configure": heal.configure},
    on_failure=on_failure,
)


def _grows(context: Context, operation: Operation, target: Target) -> bool:
    """Whether a server that runs can be given the plan as it is. Of less memory it may already use more."""
    if not server.is_running(context, target):
        return False
    old = plan_of(context, target.database.technology, str(operation.params["previous_plan"]))
    return target.plan.memory_mb >= old.memory_mb and target.plan.connections >= old.connections


@contextmanager
def _limited(operation: Operation) -> Iterator[None]:
    """A server that ends again and again does so because of its plan; a port that is taken is no such reason."""
    try:
        yield
    except PortTaken:
        raise
    except TemporaryError as error:
        if operation.attempt < _ATTEMPTS:
            raise
        raise PermanentError(f"the server does not run with its new plan: {error}", code=error.code) from error
