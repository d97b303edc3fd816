"""What the steps of several kinds do with a server: start it, wait until it answers, probe it, stop it."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeVar

from dbyard.engines import InspectData
from dbyard.errors import DataDamaged, LockedOut, NotReady, Stuck, TemporaryError, WrongPassword
from dbyard.model import (
    MIB,
    OPERATIONS,
    Address,
    Applied,
    ExitStatus,
    InstanceSpec,
    InstanceState,
    Operation,
    RestartNeeded,
    Restriction,
)
from dbyard.operations import Context, Save, Wait, save_all
from dbyard.operations.target import Target, address_of, admin_password_of, credentials_of, desired, release_of, render
from dbyard.polling import wait_until
from dbyard.store import active_operations, database_users, instances
from dbyard.store import credentials as stored_credentials
from dbyard.store.database_users import SealedUser

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something happened: a code for programs, a sentence for people."""

    code: str
    message: str


class ProbeResult(Enum):
    """What a probe of a running server finds."""

    ANSWERS = "answers"
    SILENT = "silent"
    """Nothing in time; it may be busy."""
    STUCK = "stuck"
    """It is there, and what tenants ask for is not done."""


_POLL_SECONDS, _SLOW_POLL_SECONDS = 1.0, 0.25
"""Seconds that one step polls at most before it gives its thread back; for slow starters there is no use in more."""
_START_PAUSE = 0.2
_SILENCE = 0.8
"""Seconds after which no answer is none; engines wait for one second."""
_LOG_LINES = 10
_DAMAGE_LINES = 60
"""Some servers say much after what matters."""
NOT_RUNNING = "the server does not run"
_STARTING = [(kind, step) for kind, policy in OPERATIONS.items() for step in sorted(policy.starting)]
_GONE = (InstanceState.STOPPED, InstanceState.ABSENT)


# ---- starting ---------------------------------------------------------------------------------------------------


def wait_for_start_slot(context: Context, operation: Operation, target: Target) -> Wait | None:
    """None when the server may be started now: as many slow starts at once as there are processors, the oldest first.

    More at once would all be ready as late as the last of them. A server that runs already need not be started.
    """
    if not target.technology.slow_start or is_running(context, target):
        return None
    slow = [technology.slug for technology in context.catalogue.technologies.values() if technology.slow_start]
    with context.store.read() as connection:
        before = active_operations.count_starting_before(connection, operation, _STARTING, slow, context.now())
    at_once = len(os.sched_getaffinity(0))
    if before < at_once:
        return None
    # The further behind, the longer it may be before looking again: looking takes time from those that start.
    pause = _START_PAUSE * (before - at_once + 1)
    return Wait(pause, f"{before} servers of its kind start before it, {at_once} at once", counts=False)


def start(context: Context, target: Target, *, admin_only: bool = False, hidden: bool = False) -> Save | None:
    """Start the server where it was; the save records a newer build of it. Raises PortTaken and as `release` does."""
    release = release_of(context, target)
    spec = render(context, target, admin_only=admin_only, hidden=hidden)
    try:
        context.runtime.ensure(spec, target.placement, release)
    except TemporaryError as error:
        if error.code == "server_exited":  # at once
            _check_damage(context, target)
        raise
    if release.full_version == target.instance.full_version:
        return None
    return lambda connection: instances.set_full_version(connection, target.instance.id, release.full_version)


def await_ready(context: Context, target: Target, ask: Callable[[], T], *, admin_only: bool = False) -> T | Wait:
    """The answer to `ask()`, else how long to wait. A server that has ended is started again, as `start` does.

    `ask` raises NotReady as long as the server does not answer. Raises DataDamaged when it cannot read its data, also
    when it runs all the same and its answers are all errors; TemporaryError with why the server ended and its
    last log lines, PortTaken when another program listens on its port.
    """
    if not is_running(context, target):
        start(context, target, admin_only=admin_only)
    started, pause = time.monotonic(), 0.002
    while True:
        try:
            return ask()
        except NotReady as error:
            said = str(error)
            if isinstance(error, Stuck):
                _check_damage(context, target)
        if not is_running(context, target):
            cause = why_ended(context, target)
            _check_damage(context, target)
            raise TemporaryError(f"{cause.message}{log_tail(context, target)}", code=cause.code)
        if time.monotonic() - started > (_SLOW_POLL_SECONDS if target.technology.slow_start else _POLL_SECONDS):
            return Wait(0.2, f"the server does not answer yet ({said}){log_tail(context, target)}")
        time.sleep(pause)
        pause = min(pause * 1.2, 0.05)


def _check_damage(context: Context, target: Target) -> None:
    """Raises DataDamaged when the server's log says that it cannot read its data."""
    damage = target.engine.find_damage(context.runtime.logs(target.instance.id, _DAMAGE_LINES))
    if damage is not None:
        raise DataDamaged(damage)


def await_answer(context: Context, target: Target, *, admin_only: bool = False) -> Wait | None:
    """None as soon as the server answers its admin; raises as `await_ready` does."""
    address, credentials = address_of(context, target), credentials_of(context, target)
    return await_ready(context, target, lambda: target.engine.ping(address, credentials), admin_only=admin_only)


# ---- what is wanted of it ---------------------------------------------------------------------------------------


def configure(context: Context, target: Target) -> Applied | RestartNeeded | Wait:
    """Bring the server to what is wanted of it now; raises as `await_ready` and the engine's `configure` do."""
    address, admin, wanted = address_of(context, target), admin_password_of(context, target), desired(context, target)
    return await_ready(context, target, lambda: target.engine.configure(address, admin, wanted))


def check_login(context: Context, target: Target, *, unlock: bool = False) -> str | None:
    """Why the server does not let its tenant in, in one sentence; None when it does, or when nobody is to come in.

    With `unlock` a tenant that has locked itself out by its settings loses these and is let in. One that has another
    password than the platform knows may have set it on purpose: only a reset changes that. Of a server without an
    answer this is what was known before.
    """
    if target.instance.restriction is Restriction.CLOSED:
        return None
    try:
        target.engine.check_login(address_of(context, target), credentials_of(context, target))
    except NotReady:
        return target.instance.login_error
    except LockedOut as error:
        if not unlock or isinstance(error, WrongPassword):
            return f"its tenant cannot use it ({error.code}): {error}"
    else:
        return None
    wanted = replace(desired(context, target), unlock=True)
    target.engine.configure(address_of(context, target), admin_password_of(context, target), wanted)
    return check_login(context, target)


def check_users(context: Context, target: Target) -> tuple[SealedUser, ...]:
    """The users beside the tenant's own as `configure` has left them; those that it changed are tried by a log-in."""
    return tuple(_check_user(context, target, each) if each.pending else each for each in target.users)


def _check_user(context: Context, target: Target, user: SealedUser) -> SealedUser:
    """With why the server does not let it in, where it does not; a server that is closed, or silent, is not asked."""
    if target.instance.restriction is Restriction.CLOSED:
        return user
    password = database_users.open_password(context.box, user)
    credentials = replace(credentials_of(context, target), user=user.name, password=password)
    try:
        target.engine.check_login(address_of(context, target), credentials)
    except NotReady:
        return user
    except LockedOut as error:
        return replace(user, login_error=f"the server does not let it in ({error.code}): {error}")
    return replace(user, login_error=None)


def inspect_data(context: Context, target: Target) -> str | None:
    """What of its data the server cannot read, in one sentence; None when it knows of nothing, or does not tell."""
    if not isinstance(target.engine, InspectData):
        return None
    try:
        found = target.engine.inspect_data(address_of(context, target), credentials_of(context, target))
    except NotReady:
        return target.instance.login_error
    return None if found is None else f"some of its data cannot be read: {found}"


def save_up(context: Context, target: Target) -> Save:
    """The server serves; what is wanted of it beyond that is another matter."""
    now = context.now()
    return lambda connection: instances.set_ready(connection, target.instance.id, now)


def save_configured(
    context: Context,
    target: Target,
    login_error: str | None = None,
    users: tuple[SealedUser, ...] | None = None,
) -> Save:
    """The server serves, and has what was wanted when the target was loaded; `users` are those that were tried."""
    instance, credential = target.instance, target.credential
    known = [*(target.users if users is None else users), *target.removed_users]
    return save_all(
        save_up(context, target),
        lambda connection: instances.set_login_error(connection, instance.id, login_error),
        lambda connection: instances.set_applied_restriction(connection, instance.id, instance.restriction),
        lambda connection: instances.set_applied_settings(connection, instance.id, target.database.settings),
        lambda connection: stored_credentials.set_applied(connection, target.database.id, credential.password),
        (lambda connection: database_users.set_applied(connection, known)) if known else None,
    )


def save_opened(context: Context, target: Target, applied: Restriction, login_error: str | None) -> Save:
    """A server that was configured for the platform alone lets its tenant in, by what was `applied` to it then."""
    instance_id = target.instance.id
    return save_all(
        save_up(context, target),
        lambda connection: instances.set_login_error(connection, instance_id, login_error),
        lambda connection: instances.set_applied_restriction(connection, instance_id, applied),
    )


def save_closed(target: Target) -> Save | None:
    """Only the platform gets into the server: until it is configured the drift reconciler asks for that."""
    if target.instance.restriction is Restriction.CLOSED:
        return None
    return lambda connection: instances.set_applied_restriction(connection, target.instance.id, Restriction.CLOSED)


def save_down(context: Context, instance_id: str, reason: str) -> Save:
    now = context.now()
    return lambda connection: instances.set_down(connection, instance_id, now, reason)


# ---- stopping ---------------------------------------------------------------------------------------------------


def stop(context: Context, target: Target, *, force: bool = False) -> Wait | None:
    """None when nothing of the server runs any more; it is asked to end as its technology ends, or killed."""
    instance_id = target.instance.id
    context.runtime.stop(instance_id, force=force)
    if wait_until(lambda: context.runtime.status(instance_id).state in _GONE, _POLL_SECONDS):
        return None
    return Wait(0.2, "the server is being stopped")


# ---- how it is --------------------------------------------------------------------------------------------------


def probe(context: Context, target: Target) -> ProbeResult:
    """How a running server answers its admin. One that refuses at once starts, recovers or is full: it works."""
    address, started = address_of(context, target), time.monotonic()
    try:
        target.engine.ping(address, credentials_of(context, target))
    except Stuck:
        return ProbeResult.STUCK
    except NotReady:
        if time.monotonic() - started >= _SILENCE or not is_open(address):
            return ProbeResult.SILENT
    return ProbeResult.ANSWERS


def is_running(context: Context, target: Target) -> bool:
    return context.runtime.status(target.instance.id).state is InstanceState.RUNNING


def why_ended(context: Context, target: Target) -> Cause:
    """Why the server that does not run has ended, as far as that can be known; counted as one of its exits."""
    exit_status = context.runtime.status(target.instance.id).exit or ExitStatus(None, memory_kill=False)
    cause = describe_exit(exit_status, render(context, target))
    context.metrics.server_exits.labels(target.database.technology, cause.code).inc()
    return cause


def describe_exit(exit_status: ExitStatus, spec: InstanceSpec) -> Cause:
    """In words for the database's owner. Pure."""
    status = exit_status.status
    if exit_status.memory_kill and status in (None, -signal.SIGKILL):
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


def log_tail(context: Context, target: Target) -> str:
    lines = context.runtime.logs(target.instance.id, _LOG_LINES)
    return "; its last log lines:\n" + "\n".join(lines) if lines else ""


def is_open(address: Address) -> bool:
    try:
        socket.create_connection((address.host, address.port), _SILENCE).close()
    except OSError:
        return False
    return True
