"""renew_certificate: issue -> install. A new leaf for an instance whose certificate ends soon; no connection drops.

A server that can read its files again serves the new one to new connections at once, another one from its next start.
"""

from __future__ import annotations

from dbyard.engines import Reload
from dbyard.model import Operation
from dbyard.operations import Context, Done, Kind, Next, Outcome, Save, server
from dbyard.operations.target import (
    address_of,
    admin_password_of,
    issue_certificate,
    load,
    release_of,
    render,
    save_certificate,
)


def issue(context: Context, operation: Operation) -> Outcome:
    target = load(context, operation)
    sealed = issue_certificate(context, target.instance.id, address_of(context, target).host)
    return Next("install", save_certificate(target.instance.id, sealed))


def install(context: Context, operation: Operation) -> Outcome:
    """One that does not run gets it when it starts."""
    target = load(context, operation)
    if not server.is_running(context, target):
        return Done()
    context.runtime.update(render(context, target), target.placement, release_of(context, target))
    if isinstance(target.engine, Reload):
        target.engine.reload(address_of(context, target), admin_password_of(context, target))
    return Done()


def on_failure(context: Context, operation: Operation, reason: str) -> Save | None:
    """Nothing to tidy up: the drift reconciler asks again as long as the certificate ends soon."""


KIND = Kind(steps={"issue": issue, "install": install}, on_failure=on_failure)
