"""switch: stop -> point -> start -> await_ready -> configure. Another instance of a database takes the primary's place.

The endpoint leads there from then on; the instance that it led to is retired with its data, for an undo, which is a
switch back. Where the new one does not start, the old one has its place again.
"""

from __future__ import annotations

from dbyard.errors import PermanentError
from dbyard.model import Instance, Operation, Role
from dbyard.operations import Context, Kind, Next, Outcome, Save, heal, server
from dbyard.operations.target import Target, issue_certificate, load, save_certificate
from dbyard.store import Connection, credentials, database_users, endpoints, instances


def stop(context: Context, operation: Operation) -> Outcome:
    target = load(context, operation)
    _other(target, operation)
    return server.stop(context, target) or Next("point")


def point(context: Context, operation: Operation) -> Outcome:
    """The tenant's password is the one that the platform knows, whatever it was in those data."""
    target = load(context, operation)
    if target.instance.id == operation.params["instance_id"]:
        return Next("start")
    new = _other(target, operation)
    address = context.runtime.publish(target.endpoint.id, new.id)
    certificate = save_certificate(new.id, issue_certificate(context, new.id, address.host))
    now = context.now()

    def save(connection: Connection) -> None:
        certificate(connection)
        _exchange(connection, target, new.id, now)

    return Next("start", save, result={"previous": target.instance.id, "pointed_at": now})


def start(context: Context, operation: Operation) -> Outcome:
    """The endpoint leads here, also where a kill came between moving it back and recording that."""
    target = load(context, operation)
    if not server.is_running(context, target):
        context.runtime.publish(target.endpoint.id, target.instance.id)
    return heal.start(context, operation)


def on_failure(context: Context, operation: Operation, reason: str) -> Save | None:  # noqa: ARG001
    """Back to where it was; a heal then starts the server. A restored instance that does not serve is not kept."""
    target = load(context, operation)
    if target.instance.id != operation.params["instance_id"]:
        context.runtime.publish(target.endpoint.id, target.instance.id)  # it may have been moved, and not recorded
        return None
    previous = str(operation.result["previous"])
    context.runtime.stop(target.instance.id, force=True)
    context.runtime.publish(target.endpoint.id, previous)
    retired_at = 0.0 if "restore_id" in operation.params else context.now()
    return lambda connection: _exchange(connection, target, previous, retired_at)


KIND = Kind(
    steps={
        "stop": stop,
        "point": point,
        "start": start,
        "await_ready": heal.await_ready,
        "configure": heal.configure,
    },
    on_failure=on_failure,
)


def _other(target: Target, operation: Operation) -> Instance:
    """Raises PermanentError when its data are not there any more."""
    wanted = operation.params["instance_id"]
    found = next((each for each in target.instances if each.id == wanted and each.placement), None)
    if found is None:
        raise PermanentError(f"the instance {wanted} is not there any more", code="instance_gone")
    return found


def _exchange(connection: Connection, target: Target, new: str, retired_at: float) -> None:
    """There is one primary at each moment."""
    instances.retire(connection, target.instance.id, retired_at)
    instances.set_role(connection, new, Role.PRIMARY)
    instances.set_ready(connection, new, target.instance.ready_at or target.database.created_at)
    endpoints.lead_to(connection, target.endpoint.id, new)
    credentials.set_pending(connection, target.database.id)
    database_users.set_all_pending(connection, target.database.id)
