"""create: place -> launch -> secure."""

from __future__ import annotations

from dataclasses import replace

from dbyard.model import Operation
from dbyard.operations import Context, Done, Kind, Next, Outcome, Save, server
from dbyard.operations.subject import Subject, load, render
from dbyard.runtimes import PortTaken
from dbyard.store import Connection, instances


def place(context: Context, operation: Operation) -> Outcome:
    """Give the instance a directory, a port and a uid."""
    subject = load(context, operation)
    instance = subject.instance
    placement = context.runtime.place(instance.id, instance.generation, subject.installation, subject.database.plan)
    return Next("launch", lambda connection: instances.set_placement(connection, instance.id, placement))


def launch(context: Context, operation: Operation) -> Outcome:
    """Start the server; while it never ran, it may move away from a port that somebody took."""
    subject = _as_placed(context, load(context, operation))
    if waiting := server.await_turn(context, operation, subject):
        return waiting
    try:
        context.runtime.ensure(render(context, subject), subject.placement, subject.installation)
    except PortTaken:
        context.runtime.replace(subject.instance.id, subject.instance.generation)
        return Next("launch", _save_placement(_as_placed(context, subject)))
    return Next("secure", _save_placement(subject))


def secure(context: Context, operation: Operation) -> Outcome:
    """As soon as the server answers, make the tenant's user and database. From then on the endpoint never changes."""
    subject = load(context, operation)
    try:
        waiting = server.await_ready(context, subject, subject.engine.secure)
    except PortTaken:
        return Next("launch")
    now = context.now()
    return waiting or Done(lambda connection: instances.set_ready(connection, subject.instance.id, now))


def abandon(context: Context, operation: Operation) -> None:
    """A create that ended in error leaves no server running; its logs stay until the database is deleted."""
    with context.store.read() as connection:
        instance = instances.get_for(connection, operation.database_id)
    if instance is not None:
        context.runtime.stop(instance.id)


KIND = Kind(steps={"place": place, "launch": launch, "secure": secure}, abandon=abandon)


def _as_placed(context: Context, subject: Subject) -> Subject:
    """The subject where its directory says it is: a kill may have come between moving it and recording that."""
    instance = subject.instance
    placement = context.runtime.place(instance.id, instance.generation, subject.installation)
    return replace(subject, instance=replace(instance, placement=placement))


def _save_placement(subject: Subject) -> Save:
    def save(connection: Connection) -> None:
        instances.set_placement(connection, subject.instance.id, subject.placement)

    return save
