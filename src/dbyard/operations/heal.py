"""heal: launch -> await_ready. Brings a server back that should run and does not, on the same endpoint."""

from __future__ import annotations

from dbyard.model import Operation
from dbyard.operations import Context, Done, Kind, Next, Outcome, server
from dbyard.operations.subject import load, render


def launch(context: Context, operation: Operation) -> Outcome:
    """Start the server where it was: a port that somebody took is a cause to show, and to try again."""
    subject = load(context, operation)
    context.runtime.ensure(render(context, subject), subject.placement, subject.installation)
    return Next("await_ready")


def await_ready(context: Context, operation: Operation) -> Outcome:
    subject = load(context, operation)
    return server.await_ready(context, subject, subject.engine.ping) or Done()


def abandon(context: Context, operation: Operation) -> None:
    """Nothing to tidy up: the database is still wanted, and the next sweep tries again."""


KIND = Kind(steps={"launch": launch, "await_ready": await_ready}, abandon=abandon)
