"""configure: apply, and where that takes a restart: stop -> start -> apply, and then maybe reopen -> open.

Brings a running server to what is wanted of it now: its users and their passwords, and what its disk allows them. A
tenant that holds what has to be changed is shut out by a start into which only the platform can log in. Strangers who
take all connections, which takes no password, do not find it then; another start ends that.
"""

from __future__ import annotations

from dbyard.engines import Reload
from dbyard.errors import NotReady, PermanentError
from dbyard.model import Applied, Operation, RestartNeeded, Restriction
from dbyard.operations import Context, Done, Kind, Next, Outcome, Save, Wait, save_all, server
from dbyard.operations.target import Target, address_of, admin_password_of, load, release_of, render
from dbyard.store.database_users import SealedUser

ATTEMPTS = 3
"""How often a tenant may hold what has to be changed, before the server is started without it."""
_PATIENCE, _SLOW_PATIENCE = 15.0, 60.0
"""Seconds for which a server that served may answer nothing; longer where a start takes long."""
_HIDDEN = "the server is started again, to let its tenant in"
_RESTARTS = 2
"""How often one operation starts the server again."""


def apply(context: Context, operation: Operation) -> Outcome:
    """A server that does not run is down, and is started without its tenant before it is configured."""
    if operation.attempt > ATTEMPTS and operation.error_code == "held":
        return _restart(operation, "held", f"the server is started without its tenant: {operation.error}")
    target = load(context, operation)
    if not server.is_running(context, target):
        is_noted = Restriction.CLOSED in (target.instance.restriction, target.instance.applied_restriction)
        if target.instance.down_at is None or not is_noted:
            down = server.save_down(context, target.instance.id, server.NOT_RUNNING)
            return Next("apply", save_all(down, server.save_closed(target)), "down", server.NOT_RUNNING)
        server.start(context, target, admin_only=True)
    login_error, users = None, target.users
    try:
        outcome = _configure(context, target, hidden=_restarts(operation) > 0)
        if isinstance(outcome, Applied):
            login_error, users = _try_logins(context, operation, target)
    except NotReady as error:
        outcome = Wait(1.0, str(error))
    match outcome:
        case Wait():
            return _wait(context, operation, target, outcome)
        case RestartNeeded(reason):
            return _restart(operation, "restart_needed", reason)
        case Applied(hidden=True) if target.instance.restriction is not Restriction.CLOSED:
            saves = save_all(
                server.save_configured(context, target),
                server.save_closed(target),
                server.save_down(context, target.instance.id, _HIDDEN),
            )
            return Next("reopen", saves, "hidden", _HIDDEN, {"restriction": target.instance.restriction})
        case _:
            return Done(server.save_configured(context, target, login_error, users))


def stop(context: Context, operation: Operation) -> Outcome:
    """Not before it may start again."""
    target = load(context, operation)
    if waiting := server.wait_for_start_slot(context, operation, target):
        return waiting
    return server.stop(context, target) or Next("start")


def start(context: Context, operation: Operation) -> Outcome:
    """Into a server that only the platform can log in to; `apply` then lets the tenant in."""
    target = load(context, operation)
    if waiting := server.wait_for_start_slot(context, operation, target):
        return waiting
    started = server.start(context, target, admin_only=True, hidden=True)
    return Next("apply", save_all(started, server.save_closed(target)))


def reopen(context: Context, operation: Operation) -> Outcome:
    """A server that has all that is wanted of it, and that nobody finds yet."""
    return server.stop(context, load(context, operation)) or Next("open")


def open_to_all(context: Context, operation: Operation) -> Outcome:
    """Where strangers may be quicker than the platform again: it need not log in any more."""
    target = load(context, operation)
    if waiting := server.wait_for_start_slot(context, operation, target):
        return waiting
    started = None if server.is_running(context, target) else server.start(context, target)
    if not server.is_open(address_of(context, target)):
        return Next("open", started) if started else Wait(0.2, "the server does not answer yet")
    applied = Restriction(str(operation.result["restriction"]))
    opened = server.save_opened(context, target, applied, server.check_login(context, target, unlock=True))
    return Done(save_all(started, opened))


def on_failure(context: Context, operation: Operation, reason: str) -> Save | None:
    """What was wanted is wanted still: the drift reconciler asks again, also where it was only to let the tenant in.

    A server that was started again and not seen to serve is down, or the next operation would start it again while it
    recovers.
    """
    if not _restarts(operation):
        return None
    target = load(context, operation)
    return save_all(server.save_down(context, target.instance.id, reason), server.save_closed(target))


KIND = Kind(
    steps={"apply": apply, "stop": stop, "start": start, "reopen": reopen, "open": open_to_all}, on_failure=on_failure
)


def _configure(context: Context, target: Target, *, hidden: bool) -> Applied | RestartNeeded | Wait:
    """`hidden`: it was started so, and may not have read its files yet."""
    if _takes_away(target):
        _admit(context, target, admin_only=True, hidden=hidden)
    outcome = server.configure(context, target)
    if isinstance(outcome, Applied):
        _admit(context, target, admin_only=False)
    return outcome


def _try_logins(context: Context, operation: Operation, target: Target) -> tuple[str | None, tuple[SealedUser, ...]]:
    """What is said of the tenant's own log-in, which a change of `users_only` need not try; and the others."""
    if operation.params.get("users_only"):
        login_error = target.instance.login_error
    else:
        login_error = server.check_login(context, target, unlock=True)
    return login_error, server.check_users(context, target)


def _takes_away(target: Target) -> bool:
    """Whether the tenant loses something that it could defend: its password, or its way in."""
    return target.credential.pending or target.instance.restriction is Restriction.CLOSED


def _admit(context: Context, target: Target, *, admin_only: bool, hidden: bool = False) -> None:
    """Write who may log in into the server's files, and make it read them where it does not do so by itself."""
    if not server.is_running(context, target):
        return
    spec = render(context, target, admin_only=admin_only, hidden=hidden)
    context.runtime.update(spec, target.placement, release_of(context, target))
    if isinstance(target.engine, Reload):
        target.engine.reload(address_of(context, target), admin_password_of(context, target))


def _wait(context: Context, operation: Operation, target: Target, wait: Wait) -> Outcome:
    """A server that served and is silent for long is held by its tenant; one that was started again may recover.

    Since when it is silent counts from this start of the platform on: before that nobody asked, by another clock.
    """
    if target.instance.down_at is not None or _restarts(operation):
        return wait
    now, since = context.store.steady(context.now()), operation.result.get("silent_since")
    if not isinstance(since, int | float) or not context.store.opened_at <= since <= now:
        return Next("apply", outcome="silent", message=wait.reason, result={"silent_since": now})
    patience = _SLOW_PATIENCE if target.technology.slow_start else _PATIENCE
    return _restart(operation, "held", wait.reason) if now - since > patience else wait


def _restart(operation: Operation, outcome: str, message: str) -> Next:
    restarts = _restarts(operation)
    if restarts >= _RESTARTS:
        raise PermanentError(f"the server was started {restarts} times and does not take it: {message}", code=outcome)
    return Next("stop", outcome=outcome, message=message, result={"restarts": restarts + 1})


def _restarts(operation: Operation) -> int:
    return int(str(operation.result.get("restarts", 0)))
