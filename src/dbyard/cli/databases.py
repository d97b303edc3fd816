"""create, list, show, url, delete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from dbyard.cli.output import json_option, print_fields, print_json, print_table, progress, when
from dbyard.cli.projects import find_project
from dbyard.cli.session import session
from dbyard.cli.settings import read_setting

if TYPE_CHECKING:
    from dbyard import wire
    from dbyard.client import Client
    from dbyard.wire.dashboard import DatabaseSummary

INTERRUPTED = 130
"""The usual exit code of a program that Ctrl-C ended."""

_LOG_LINES = 20


@click.command()
@click.argument("name")
@click.option("-t", "--technology", required=True, help="Such as postgresql, mysql or redis.")
@click.option("-p", "--plan", required=True, help="A plan of the technology, such as postgresql-starter-512.")
@click.option("--version", help="A version of the technology; by default its default version.")
@click.option("--project", metavar="PROJECT", help="The name or id of its project; by default your default project.")
@click.option(
    "--set", "chosen", multiple=True, metavar="NAME=VALUE", help="A setting of its server; see `dbyard settings`."
)
@click.option("--wait/--no-wait", default=True, help="Wait until it can be used (the default).")
@click.option("--timeout", type=click.FloatRange(min=0), default=150, show_default=True, help="Seconds to wait.")
@json_option
def create(
    name: str,
    technology: str,
    plan: str,
    version: str | None,
    project: str | None,
    chosen: Sequence[str],
    wait: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """Create a database and print its URL.

    Progress goes to stderr. With --no-wait the id is printed at once. With --json: an object with the database and the
    connection (null with --no-wait).
    """
    from dbyard import wire

    settings: dict[str, str | None] = dict(map(read_setting, chosen))
    with session() as client:
        project_id = find_project(client, project).id if project is not None else None
        new = wire.NewDatabase(name, technology, plan, project_id, version, settings or None)
        database = client.create_database(new)
        connection = wait_usable(client, database.name, timeout, f"creating {name}") if wait else None
    if as_json:
        print_json({"database": database, "connection": connection})
    else:
        click.echo(connection.url if connection else database.id)


@click.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List your databases, newest last."""
    with session() as client:
        databases = client.list_summaries()
    if as_json:
        print_json(databases)
    else:
        rows = [(each.name, each.technology, each.plan, each.status, each.id, each.project_id) for each in databases]
        print_table(("NAME", "TECHNOLOGY", "PLAN", "STATUS", "ID", "PROJECT"), rows)


@click.command()
@click.argument("database")
@json_option
def show(database: str, as_json: bool) -> None:
    """Show one database and whether it can be used.

    DATABASE is its name or its id. The password is not shown; `dbyard url` has it.
    """
    with session() as client:
        found = client.get_summary(database)
        if as_json:
            print_json(found)
            return
        fields = [
            ("name", found.name),
            ("id", found.id),
            ("project", found.project_id),
            ("technology", found.technology),
            ("plan", found.plan),
        ]
        print_fields([*fields, *_status(client, found), *_backups(client, found.id)])


@click.command()
@click.argument("database")
@click.option("--as", "form", metavar="FORM", help="The URL for a kind of client: jdbc, sqlalchemy, ….")
@json_option
def url(database: str, form: str | None, as_json: bool) -> None:
    """Print a database's connection URL.

    The output is the URL only, with the password. With --json: all parts of the connection, with the CA certificate.
    """
    with session() as client:
        connection = client.get_connection(database)
    if as_json:
        print_json(connection)
    else:
        click.echo(connection.url if form is None else _pick(connection, form))


@click.command()
@click.argument("database")
@click.option("--confirm", metavar="NAME", help="The database's name, for scripts: there is no prompt.")
@click.option("--wait/--no-wait", default=True, help="Wait until its server is gone (the default).")
@click.option("--timeout", type=click.FloatRange(min=0), default=60, show_default=True, help="Seconds to wait.")
def delete(database: str, confirm: str | None, wait: bool, timeout: float) -> None:
    """Delete a database and everything in it.

    Asks for the database's name first. The name is free at once; server, port and files are removed within seconds.
    """
    with session() as client:
        found = client.get_database(database)
        connection = _connection_or_none(client, found.id) if wait else None
        client.delete_database(found.id, confirm=_ask_name(found.name) if confirm is None else confirm)
    if connection:
        _wait_closed(found.name, connection, timeout)
    click.echo(f"{found.name} is deleted", err=True)


def wait_usable(client: Client, name: str, timeout: float, work: str) -> wire.Connection:
    """The connection as soon as it works; `work` says what the platform continues if Ctrl-C ends the wait."""
    from dbyard import client as clients
    from dbyard.errors import PermanentError

    try:
        with (
            _interruptible(f"the platform continues {work}; see `dbyard show {name}`"),
            progress(name) as report,
        ):
            return clients.wait_usable(client, name, timeout=timeout, report=report)
    except PermanentError:
        _print_last_log(client, name)
        raise


def _wait_closed(name: str, connection: wire.Connection, timeout: float) -> None:
    from dbyard.client import wait_closed

    with _interruptible(f"{name} is deleted; the platform continues to remove its server and files"):
        wait_closed(connection, timeout=timeout)


@contextmanager
def _interruptible(words: str) -> Iterator[None]:
    """On Ctrl-C print the message: the platform continues the work."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"\n{words}", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None


def _print_last_log(client: Client, name: str) -> None:
    from dbyard.errors import DbyardError

    try:
        lines = client.get_logs(name, _LOG_LINES)
    except DbyardError as error:
        lines = [f"its log cannot be read: {error}"]
    for line in lines:
        click.echo(f"  | {line}", err=True)


def _backups(client: Client, database_id: str) -> list[tuple[str, str]]:
    report = client.get_details(database_id).backups
    if report is None:
        return []
    proved = f"the last that is proved is of {when(report.proved_at)}" if report.proved_at else "none is proved"
    return [("backups", "; ".join([report.state, *([report.message] if report.message else []), proved]))]


def _status(client: Client, found: DatabaseSummary) -> list[tuple[str, str]]:
    """Whether it can be used: the API returns the connection, or the reason why there is none.

    A token that may not read passwords gets neither.
    """
    from dbyard.errors import Conflict, Forbidden

    address = [("host", found.host), ("port", str(found.port))] if found.host else []
    try:
        connection = client.get_connection(found.id)
    except Forbidden:
        return [("status", found.status), *address]
    except Conflict as refusal:
        latest = client.list_operations(found.id)[:1]
        return [("status", " ".join([str(refusal), *(f"({each.kind}, {each.step})" for each in latest)]))]
    return [("status", found.status), *address, ("user", connection.user), ("database", connection.database)]


def _pick(connection: wire.Connection, form: str) -> str:
    if form not in connection.forms:
        known = f"one of {', '.join(connection.forms)}" if connection.forms else "no other form than the URL itself"
        raise click.BadParameter(f"this database has {known}", param_hint="--as")
    return connection.forms[form]


def _connection_or_none(client: Client, database: str) -> wire.Connection | None:
    from dbyard.errors import Conflict

    try:
        return client.get_connection(database)
    except Conflict:
        return None


def _ask_name(name: str) -> str:
    typed: str = click.prompt(f"This deletes {name} with all its data. Type its name to continue", err=True)
    if typed != name:
        raise click.ClickException(f"{typed!r} is not the name; nothing is deleted")
    return typed
