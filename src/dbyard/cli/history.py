"""logs, operations, cancel, retry and events: a server's log, a database's operations, and who did what."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from dbyard.cli.output import json_option, print_json, print_table, progress, progress_bar, when
from dbyard.cli.session import session

if TYPE_CHECKING:
    from dbyard import wire
    from dbyard.client import Client
    from dbyard.wire import events as events_wire


_FOLLOW_EVERY = 1.0


@click.command()
@click.argument("database")
@click.option("-n", "--lines", type=click.IntRange(1, 10_000), default=100, show_default=True, help="How many lines.")
@click.option("-f", "--follow", is_flag=True, help="Print new lines until Ctrl-C.")
@json_option
def logs(database: str, lines: int, follow: bool, as_json: bool) -> None:
    """Print the last lines of a database server's log.

    With --json a list of lines.
    """
    if follow and as_json:
        raise click.UsageError("--follow and --json exclude each other")
    with session() as client:
        if follow:
            _follow(client, database, lines)
            return
        found = client.get_logs(database, lines)
    if as_json:
        print_json(found)
    else:
        _print_lines(found)


@click.command()
@click.argument("database")
@click.option("-f", "--follow", is_flag=True, help="Show the progress of active operations until they end.")
@json_option
def operations(database: str, follow: bool, as_json: bool) -> None:
    """Show what the platform did to a database.

    Newest first: each finished step and each failed attempt, with its cause.
    """
    with session() as client:
        if follow:
            _follow_operations(client, database)
        found = client.list_operations(database)
    if as_json:
        print_json(found)
    else:
        rows = [row for operation in found for row in _rows(operation)]
        print_table(("ID", "KIND", "STATUS", "STEP", "AT", "OUTCOME"), rows)


@click.command()
@click.argument("database")
@click.argument("operation")
def cancel(database: str, operation: str) -> None:
    """Cancel an operation of a database.

    OPERATION is an id of `dbyard operations`. It ends after its current step. Not every operation can be cancelled.
    """
    with session() as client:
        found = client.cancel_operation(database, operation)
    click.echo(f"the operation {found.id} ({found.kind}) is being cancelled", err=True)


@click.command()
@click.argument("database")
@click.argument("operation")
def retry(database: str, operation: str) -> None:
    """Retry a failed operation of a database.

    OPERATION is an id of `dbyard operations`. Prints the id of the new operation.
    """
    with session() as client:
        click.echo(client.retry_operation(database, operation).id)


@click.command()
@click.argument("database", required=False)
@click.option("-n", "--number", type=click.IntRange(1, 100), default=30, show_default=True, help="Events per page.")
@click.option("--page", type=click.IntRange(1), default=1, show_default=True, help="The page to show.")
@click.option("--all", "everyone", is_flag=True, help="Events of all accounts, for administrators.")
@json_option
def events(database: str | None, number: int, page: int, everyone: bool, as_json: bool) -> None:
    """Show who did what, to a database or in your account.

    Newest first.
    """
    if database and everyone:
        raise click.UsageError("--all and a database exclude each other")
    with session() as client:
        found = client.list_events(database, page=page, per_page=number, everyone=everyone)
    if as_json:
        print_json(found.events)
        return
    print_table(("AT", "WHO", "DATABASE", "EVENT", "WITH"), [_event_row(event) for event in found.events])
    pages = found.meta.pagination
    if pages.total_pages > 1:
        click.echo(f"page {pages.current_page} of {pages.total_pages}, {pages.total_count} events", err=True)


def _follow(client: Client, database: str, lines: int) -> None:
    try:
        _print_lines(client.follow_logs(database, lines))
    except KeyboardInterrupt:
        return
    click.echo(f"the log of {database} has ended", err=True)


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


def _follow_operations(client: Client, database: str) -> None:
    """Until no operation is active, or Ctrl-C."""
    with progress(database) as report:
        try:
            while active := [each for each in client.list_operations(database) if each.finished_at is None]:
                report(active[-1])
                time.sleep(_FOLLOW_EVERY)
        except KeyboardInterrupt:
            return


def _rows(operation: wire.Operation) -> list[tuple[str, ...]]:
    at = when(operation.finished_at or operation.created_at)
    head = (operation.id, operation.kind, operation.status, operation.step, at)
    error = f"{operation.error.code}: {operation.error.message}" if operation.error else ""
    shown = progress_bar(operation.progress) if operation.progress and operation.finished_at is None else error
    steps = [("", "", "", step.step, when(step.at), _outcome(step)) for step in operation.steps]
    return [(*head, shown), *steps]


def _outcome(step: wire.OperationStep) -> str:
    return f"{step.outcome}: {step.message}" if step.message else step.outcome


def _event_row(event: events_wire.AuditEvent) -> tuple[str, str, str, str, str]:
    data = " ".join(f"{name}={value}" for name, value in event.data.items())
    return (when(event.created_at), event.user.username, event.database_name or "", event.type, data)
