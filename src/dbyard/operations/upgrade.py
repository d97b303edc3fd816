"""upgrade: stop -> start -> await_ready -> configure. Moves a server to the newest installed build of its version.

Its data stay where they are: builds of one version read the same files, and a server refuses others before it changes
any. Where it does not run with the new build, it goes back to the one that it had.
`result`: `previous` and `chosen`, the full versions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dbyard.errors import PermanentError, TemporaryError
from dbyard.model import Operation
from dbyard.operations import Context, Kind, Next, Outcome, Save, heal, save_all, server
from dbyard.operations.target import load
from dbyard.runtimes import PortTaken
from dbyard.store import Connection, instances

_ATTEMPTS = 4
"""How often a server may end with the new build before it goes back to the old one."""


def stop(context: Context, operation: Operation) -> Outcome:
    """As its technology stops, and not before it may start again."""
    target = load(context, operation)
    newest = context.runtime.resolve(target.technology.type_name, target.database.version)
    if newest is None:
        raise PermanentError("no build of its version is installed", code="server_missing")
    if waiting := server.wait_for_start_slot(context, operation, target):
        return waiting
    if waiting := server.stop(context, target):
        return waiting
    previous, chosen = target.instance.full_version, newest.full_version
    message = f"from {previous} to {chosen}" if previous != chosen else f"{chosen} is the newest: it is started again"

    def choose(connection: Connection) -> None:
        instances.set_full_version(connection, target.instance.id, chosen)

    return Next("start", choose, message=message, result={"previous": previous, "chosen": chosen})


def start(context: Context, operation: Operation) -> Outcome:
    with _limited(operation):
        return heal.start(context, operation)


def await_ready(context: Context, operation: Operation) -> Outcome:
    with _limited(operation):
        return heal.await_ready(context, operation)


def on_failure(context: Context, operation: Operation, reason: str) -> Save | None:
    """Go back: a heal then starts the server by the build that it had."""
    previous = operation.result.get("previous")
    with context.store.read() as connection:
        primary = instances.get_primary(connection, operation.database_id)
    if previous is None or primary is None:
        return None
    context.runtime.stop(primary.id)
    return save_all(
        lambda connection: instances.set_full_version(connection, primary.id, str(previous)),
        server.save_down(context, primary.id, reason),
    )


KIND = Kind(
    steps={"stop": stop, "start": start, "await_ready": await_ready, "configure": heal.configure},
    on_failure=on_failure,
)


@contextmanager
def _limited(operation: Operation) -> Iterator[None]:
    """A server that ends again and again does so because of its build; a port that is taken is no such reason."""
    try:
        yield
    except PortTaken:
        raise
    except TemporaryError as error:
        if operation.attempt < _ATTEMPTS:
            raise
        raise PermanentError(f"the server does not run with its new build: {error}", code=error.code) from error
