"""create: place -> launch -> secure."""

from __future__ import annotations

from dataclasses import replace

from dbyard.model import Operation
from dbyard.operations import Context, Done, Kind, Next, Outcome, Save, server
from dbyard.operations.target import Target, load, render
from dbyard.runtimes import PortTaken
from dbyard.store import Connection, instances


def place(context: Context, operation: Operation) -> Outcome:
    """Give the instance a directory, a port and a uid."""
    target = load(context, operation)
    instance = target.instance
    placement = context.runtime.place(instance.id, instance.generation, target.installation, target.database.plan)
    return Next("launch", lambda connection: instances.set_placement(connection, instance.id, placement))


def launch(context: Context, operation: Operation) -> Outcome:
    """Start the server; while it never ran, it may move away from a port that somebody took."""
    target = _as_placed(context, load(context, operation))
    if waiting := server.wait_for_start_slot(context, operation, target):
        return waiting
    try:
        context.runtime.ensure(render(context, target), target.placement, target.installation)
    except PortTaken:
        context.runtime.replace(target.instance.id, target.instance.generation)
        return Next("launch", _save_placement(_as_placed(context, target)))
    return Next("secure", _save_placement(target))


def secure(context: Context, operation: Operation) -> Outcome:
    """As soon as the server answers, make the tenant's user and database. From then on the endpoint never changes."""
    target = load(context, operation)
    try:
        waiting = server.await_ready(context, target, target.engine.secure)
    except PortTaken:
        return Next("launch")
    now = context.now()
    return waiting or Done(lambda connection: instances.set_ready(connection, target.instance.id, now))


def on_failure(context: Context, operation: Operation) -> None:
    """A create that ended in error leaves no server running; its logs stay until the database is deleted."""
    with context.store.read() as connection:
        instance = instances.get_for(connection, operation.database_id)
    if instance is not None:
        context.runtime.stop(instance.id)


KIND = Kind(steps={"place": place, "launch": launch, "secure": secure}, on_failure=on_failure)


def _as_placed(context: Context, target: Target) -> Target:
    """The target where its directory says it is: a kill may have come between moving it and recording that."""
    instance = target.instance
    placement = context.runtime.place(instance.id, instance.generation, target.installation)
    return replace(target, instance=replace(instance, placement=placement))


def _save_placement(target: Target) -> Save:
    def save(connection: Connection) -> None:
        instances.set_placement(connection, target.instance.id, target.placement)

    return save
