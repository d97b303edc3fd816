"""rotate: apply. Makes the password that stands with the credential the tenant's only one, and ends its sessions.

A server that reads its users at its start alone goes on: stop -> launch -> await_ready.
"""

from __future__ import annotations

from dbyard.model import Address, Credentials, Operation, Restriction
from dbyard.operations import Context, Done, Kind, Next, Outcome, Save, heal, restrict, server
from dbyard.operations.target import load
from dbyard.store import databases


def apply(context: Context, operation: Operation) -> Outcome:
    """A server that does not run is started: with its users in files it then has the new password already."""
    target = load(context, operation)
    has_it = False

    def ask(endpoint: Address, credentials: Credentials) -> None:
        nonlocal has_it
        has_it = target.engine.rotate(endpoint, credentials)

    if waiting := server.await_ready(context, target, ask):
        return waiting
    if not has_it:
        return Next("stop")
    return Done(_save(operation)) if target.instance.restriction is Restriction.NONE else Next("restrict")


def stop(context: Context, operation: Operation) -> Outcome:
    """Not before it may start again."""
    target = load(context, operation)
    if waiting := server.wait_for_start_slot(context, operation, target):
        return waiting
    context.runtime.stop(target.instance.id)
    return Next("launch")


def restrict_again(context: Context, operation: Operation) -> Outcome:
    """The server may have been started on the way, and not every one remembers what its tenant may not do."""
    restrict.restrict(context, load(context, operation))
    return Done(_save(operation))


def on_failure(context: Context, operation: Operation) -> None:
    """Nothing to tidy up: the sweep asks again until the server has the password that stands with the credential."""


KIND = Kind(
    steps={"apply": apply, "stop": stop, "launch": heal.launch, "await_ready": apply, "restrict": restrict_again},
    on_failure=on_failure,
)


def _save(operation: Operation) -> Save:
    return lambda connection: databases.set_rotated(connection, operation.database_id)
