"""heal: examine or restart -> launch -> await_ready -> restrict.

Brings a server back that should run and does not, or runs and does not answer, on the same endpoint.
"""

from __future__ import annotations

from dbyard.model import InstanceState, Operation, Restriction
from dbyard.operations import Context, Done, Kind, Next, Outcome, restrict, server
from dbyard.operations.server import Cause, ProbeResult
from dbyard.operations.target import load, render
from dbyard.store import instances

RESTART = "restart"
"""The step at which a heal begins whose server still runs."""


def examine(context: Context, operation: Operation) -> Outcome:
    """Why the server does not run: that is known only until it is started again."""
    target = load(context, operation)
    if context.runtime.state(target.instance.id) is InstanceState.RUNNING:
        return Next("launch")
    end = server.why_ended(context, target)
    return Next("launch", outcome=end.code, message=end.message)


def restart(context: Context, operation: Operation) -> Outcome:
    """End a server that runs and says nothing; unless it answers just now."""
    target = load(context, operation)
    if context.runtime.state(target.instance.id) is InstanceState.RUNNING:
        if server.listen(context, target) is ProbeResult.ANSWERS:
            return Done()
        context.runtime.stop(target.instance.id, by_force=True)
    cause = Cause("unresponsive", "the server ran but did not answer any more: it is started again")
    context.metrics.server_exits.labels(target.database.technology, cause.code).inc()
    return Next("launch", outcome=cause.code, message=cause.message)


def launch(context: Context, operation: Operation) -> Outcome:
    """Start the server where it was: a port that somebody took is a cause to show, and to try again.

    Where the server itself is gone a newer one of its version takes over, and that is recorded.
    """
    target = load(context, operation)
    if waiting := server.wait_for_start_slot(context, operation, target):
        return waiting
    context.runtime.ensure(render(context, target), target.placement, target.installation)
    instance, found = target.instance, target.installation.full_version
    if found == instance.full_version:
        return Next("await_ready")
    return Next("await_ready", lambda connection: instances.set_full_version(connection, instance.id, found))


def await_ready(context: Context, operation: Operation) -> Outcome:
    target = load(context, operation)
    unrestricted = target.instance.restriction is Restriction.NONE
    waiting = server.await_ready(context, target, target.engine.ping)
    return waiting or (Done() if unrestricted else Next("restrict"))


def restrict_again(context: Context, operation: Operation) -> Outcome:
    """Not every server remembers over a restart what its tenant may not do."""
    restrict.restrict(context, load(context, operation))
    return Done()


def on_failure(context: Context, operation: Operation) -> None:
    """Nothing to tidy up: the database is still wanted, and the next sweep tries again."""


KIND = Kind(
    steps={
        "examine": examine,
        RESTART: restart,
        "launch": launch,
        "await_ready": await_ready,
        "restrict": restrict_again,
    },
    on_failure=on_failure,
)
