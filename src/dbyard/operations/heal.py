"""heal: diagnose or restart -> start -> await_ready -> configure; from await_ready to repair -> start where that helps.

Brings a server back that should run and does not, or runs and does not answer, on the same endpoint.
"""

from __future__ import annotations

from dataclasses import replace

from dbyard.engines import Repair
from dbyard.errors import DataDamaged, PermanentError, TemporaryError
from dbyard.model import (
    MIB,
    OPERATIONS,
    Applied,
    DataAccess,
    InstanceState,
    JobSpec,
    Operation,
    OperationKind,
    RestartNeeded,
    Restriction,
)
from dbyard.operations import Context, Done, Kind, Next, Outcome, Save, Wait, jobs, save_all, server
from dbyard.operations.configure import ATTEMPTS
from dbyard.operations.server import Cause, ProbeResult
from dbyard.operations.target import Target, layout_of, load, release_of
from dbyard.store import instances

_REPAIR_MEMORY, _REPAIR_PIDS = 256 * MIB, 20
RESTART = "restart"
"""The step at which a heal begins whose server still runs."""


def diagnose(context: Context, operation: Operation) -> Outcome:
    """Why the server does not run: that is known only until it is started again."""
    target = load(context, operation)
    state = context.runtime.status(target.instance.id).state
    if state is InstanceState.STOPPING and (waiting := server.stop(context, target)):
        return waiting
    if state is InstanceState.RUNNING:
        return Next("start")
    return _found(server.why_ended(context, target))


def restart(context: Context, operation: Operation) -> Outcome:
    """Kill a server that runs and does not answer; unless it answers just now."""
    target = load(context, operation)
    if server.is_running(context, target):
        if server.probe(context, target) is ProbeResult.ANSWERS:
            return Done(server.save_up(context, target))
        if waiting := server.stop(context, target, force=True):
            return waiting
    cause = Cause("unresponsive", "the server ran but did not answer any more: it is started again")
    context.metrics.server_exits.labels(target.database.technology, cause.code).inc()
    return _found(cause)


def start(context: Context, operation: Operation) -> Outcome:
    """Start the server where it was: a port that another program took is a cause to show, and to try again.

    Where the server itself is gone a newer one of its version takes over, and that is recorded. Of a closed database
    only the platform can log in: its tenant could write before it is closed again.
    """
    target = load(context, operation)
    if "repair" in operation.result:
        context.runtime.cancel_job(jobs.job_id(replace(operation, step="repair")))  # it has ended, and is removed
    if waiting := server.wait_for_start_slot(context, operation, target):
        return waiting
    anew = "anew" in operation.result
    admin_only = anew or target.instance.restriction is Restriction.CLOSED
    try:
        started = server.start(context, target, admin_only=admin_only)
        return Next("await_ready", save_all(started, server.save_closed(target)) if anew else started)
    except DataDamaged as error:
        return _show_damage(context, operation, target, error)


def await_ready(context: Context, operation: Operation) -> Outcome:
    """A server that cannot read its data is mended once, and is otherwise tried again like any other that ends."""
    target = load(context, operation)
    try:
        waiting = server.await_answer(context, target)
    except DataDamaged as error:
        return _show_damage(context, operation, target, error)
    if waiting and target.technology.slow_start and _is_late(context, operation):
        message = "the server runs and answers nobody: it is started again, for the platform alone"
        return Next("stop", outcome="unresponsive", message=message, result={"anew": True})
    return waiting or Next("configure", server.save_up(context, target))


def stop(context: Context, operation: Operation) -> Outcome:
    """Before another start, which makes anew what the server has kept of its users."""
    return server.stop(context, load(context, operation), force=True) or Next("start")


def repair(context: Context, operation: Operation) -> Outcome:
    """Run the engine's own program on the data of the stopped server."""
    target = load(context, operation)
    if waiting := server.stop(context, target):
        return waiting
    try:
        found = jobs.await_job(context, _render_repair(context, operation, target))
    except TemporaryError as error:
        return Next("start", outcome="not_repaired", message=str(error), result={"repair": f"impossible: {error}"})
    if isinstance(found, Wait):
        return found
    did = found.result.strip()
    return Next("start", outcome="repaired", message=did, result={"repair": did})


def configure(context: Context, operation: Operation) -> Outcome:
    """Not every server remembers over a restart what its tenant may not do, a password may be due, or a way in.

    What takes another restart, or what a tenant holds up, is left to the operation that the drift reconciler queues.
    """
    target = load(context, operation)
    if operation.attempt > ATTEMPTS and operation.error_code == "held":
        return Done(server.save_up(context, target))
    outcome = server.configure(context, target)
    match outcome:
        case Wait():
            return outcome
        case RestartNeeded() | Applied(hidden=True):
            return Done(server.save_up(context, target))
        case _:
            return Done(server.save_configured(context, target, server.check_login(context, target, unlock=True)))


def on_failure(context: Context, operation: Operation, reason: str) -> Save | None:
    """The database is still wanted, and the drift reconciler tries again; until then its owner sees why."""
    with context.store.read() as connection:
        primary = instances.get_primary(connection, operation.database_id)
    instance_id = operation.instance_id or (primary.id if primary else None)
    return server.save_down(context, instance_id, reason) if instance_id else None


KIND = Kind(
    steps={
        "diagnose": diagnose,
        RESTART: restart,
        "start": start,
        "await_ready": await_ready,
        "repair": repair,
        "stop": stop,
        "configure": configure,
    },
    on_failure=on_failure,
)


def _is_late(context: Context, operation: Operation) -> bool:
    """Half of its time has passed, and nothing was done about that yet."""
    left = operation.deadline_at - context.store.steady(context.now())
    return "anew" not in operation.result and left < OPERATIONS[OperationKind.HEAL].patience / 2


def _show_damage(context: Context, operation: Operation, target: Target, error: DataDamaged) -> Next:
    """Raises the error itself once the database shows it and nothing is left to try, and in other kinds' steps."""
    if operation.kind != OperationKind.HEAL or "damage" in operation.result:
        raise error
    if isinstance(target.engine, Repair) and "repair" not in operation.result:
        return Next("repair", outcome=error.code, message=str(error))
    reason = f"the server cannot read its data, and only a restore of a backup helps: {error}"
    down = server.save_down(context, target.instance.id, reason)
    return Next("await_ready", down, outcome=error.code, message=reason, result={"damage": str(error)})


def _render_repair(context: Context, operation: Operation, target: Target) -> JobSpec:
    engine = target.engine
    if not isinstance(engine, Repair):
        raise PermanentError(f"nothing repairs the data of a {engine.TECHNOLOGY}", code="not_repairable")
    return JobSpec(
        id=jobs.job_id(operation),
        instance_id=target.instance.id,
        release=release_of(context, target),
        argv=engine.render_repair(layout_of(context, target)),
        memory=_REPAIR_MEMORY,
        cpu=target.plan.cpu,
        pids=_REPAIR_PIDS,
        data=DataAccess.WRITE,
    )


def _found(cause: Cause) -> Next:
    result = {"cause": {"code": cause.code, "message": cause.message}}
    return Next("start", outcome=cause.code, message=cause.message, result=result)
