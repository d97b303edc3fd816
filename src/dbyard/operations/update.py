"""update: resize, or stop -> launch -> await_ready -> restrict. Brings a server to the plan that its database has now.

Where the server does not run with it, the database goes back to the plan that it had, and a heal to that one's server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dbyard.errors import NotReady, PermanentError, StepError, TemporaryError
from dbyard.model import Capability, InstanceState, Operation, Plan, Restriction
from dbyard.operations import Context, Done, Kind, Next, Outcome, Save, heal, restrict, server
from dbyard.operations.target import Target, credentials, load, render
from dbyard.runtimes import PortTaken
from dbyard.store import databases, instances

_ATTEMPTS = 4
"""How often a server may end with its new plan before the database goes back to the old one."""
_STOPPED = ("launch", "await_ready", "restrict")
"""Steps at which the server runs with its new plan, if it runs."""


def resize(context: Context, operation: Operation) -> Outcome:
    """Without a restart, where the server can do that and is given more than it has."""
    target, previous = _load(context, operation)
    plan = _plan(context, target, target.database.plan)
    if not _grows(context, target, previous, plan):
        return Next("stop", message="it takes a restart")
    try:
        context.runtime.adjust(render(context, target))
        target.engine.resize(target.endpoint, credentials(context, target), plan)
    except (NotReady, StepError, OSError) as error:
        return Next("stop", outcome="not_resized", message=f"it takes a restart: {error}")
    return Done(_save(operation))


def stop(context: Context, operation: Operation) -> Outcome:
    """As its technology stops, and not before it may start again: what it has acknowledged is there then."""
    target, _ = _load(context, operation)
    if waiting := server.wait_for_start_slot(context, operation, target):
        return waiting
    context.runtime.stop(target.instance.id)
    return Next("launch")


def launch(context: Context, operation: Operation) -> Outcome:
    _load(context, operation)
    with _limited(operation):
        return heal.launch(context, operation)


def await_ready(context: Context, operation: Operation) -> Outcome:
    target, _ = _load(context, operation)
    with _limited(operation):
        waiting = server.await_ready(context, target, target.engine.ping)
    if waiting is not None:
        return waiting
    return Done(_save(operation)) if target.instance.restriction is Restriction.NONE else Next("restrict")


def restrict_again(context: Context, operation: Operation) -> Outcome:
    """Whoever watches the disk lifts it, when the plan's disk is larger."""
    target, _ = _load(context, operation)
    restrict.restrict(context, target)
    return Done(_save(operation))


def on_failure(context: Context, operation: Operation) -> None:
    """Go back. A server that was started for the new plan is stopped: the next sweep starts it for the old one."""
    with context.store.tx() as connection:
        databases.go_back(connection, operation.database_id)
    if operation.step in _STOPPED:
        with context.store.read() as connection:
            instance = instances.get_for(connection, operation.database_id)
        if instance is not None:
            context.runtime.stop(instance.id)


KIND = Kind(
    steps={"resize": resize, "stop": stop, "launch": launch, "await_ready": await_ready, "restrict": restrict_again},
    on_failure=on_failure,
)


def _load(context: Context, operation: Operation) -> tuple[Target, str]:
    """The target and the plan that it goes back to; PermanentError when it has gone back already."""
    with context.store.read() as connection:
        previous = databases.previous_plan_of(connection, operation.database_id)
    if previous is None:
        raise PermanentError("the database has gone back to the plan that it had", code="went_back")
    return load(context, operation), previous


def _plan(context: Context, target: Target, name: str) -> Plan:
    plan = context.catalogue.plan(target.database.technology, name)
    if plan is None:
        raise PermanentError(f"the plan {name} is not in the catalogue any more", code="plan_missing")
    return plan


def _grows(context: Context, target: Target, previous: str, plan: Plan) -> bool:
    """Whether a server that runs can be given the plan as it is. Of less memory it may already use more."""
    if Capability.RESIZE not in target.engine.CAPABILITIES:
        return False
    if context.runtime.state(target.instance.id) is not InstanceState.RUNNING:
        return False
    old = _plan(context, target, previous)
    return plan.memory_mb >= old.memory_mb and plan.connections >= old.connections


@contextmanager
def _limited(operation: Operation) -> Iterator[None]:
    """A server that ends again and again does so because of its plan; a port that somebody took is no such reason."""
    try:
        yield
    except PortTaken:
        raise
    except TemporaryError as error:
        if operation.attempt < _ATTEMPTS:
            raise
        raise PermanentError(f"the server does not run with its new plan: {error}", code=error.code) from error


def _save(operation: Operation) -> Save:
    return lambda connection: databases.set_updated(connection, operation.database_id)
