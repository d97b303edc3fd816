"""resize, reset-password, repair, rename and move: changes to a database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from dbyard.cli.databases import wait_usable
from dbyard.cli.output import json_option, print_json
from dbyard.cli.projects import find_project
from dbyard.cli.session import session

if TYPE_CHECKING:
    from dbyard.client import Client
    from dbyard.wire import Operation

_POLL_SECONDS = 0.2


@click.command()
@click.argument("database")
@click.argument("plan")
@click.option("--wait/--no-wait", default=True, help="Wait until it can be used with the plan (the default).")
@click.option("--timeout", type=click.FloatRange(min=0), default=300, show_default=True, help="Seconds to wait.")
def resize(database: str, plan: str, wait: bool, timeout: float) -> None:
    """Give a database another plan of its technology.

    DATABASE is its name or its id, PLAN is one of `dbyard plans`. Its data and its URL stay; sessions end if the server
    must be restarted.
    """
    with session() as client:
        found = client.get_database(database)
        client.change_plan(found, plan)
        if wait:
            wait_usable(client, found.name, timeout, f"giving {found.name} its new plan")
            _raise_if_failed(client, found.name)
        now = client.get_database(found.id).plan
    click.echo(f"{found.name} {'has' if wait else 'gets'} the plan {now}", err=True)


@click.command()
@click.argument("database")
@click.argument("name")
def rename(database: str, name: str) -> None:
    """Give a database another name.

    DATABASE is its name or its id. Its id, its URL and its user stay, and connections go on.
    """
    with session() as client:
        found = client.get_database(database)
        client.rename_database(found, name)
    click.echo(f"{found.name} is now {name}", err=True)


@click.command()
@click.argument("database")
@click.argument("project")
def move(database: str, project: str) -> None:
    """Move a database to another of your projects.

    DATABASE and PROJECT are names or ids. Collaborators of the database stay; those of its project no longer use it.
    """
    with session() as client:
        found, target = client.get_database(database), find_project(client, project)
        client.move_database(found, target.id)
    click.echo(f"{found.name} is in the project {target.name}", err=True)


@click.command("reset-password")
@click.argument("database")
@click.option("--timeout", type=click.FloatRange(min=0), default=60, show_default=True, help="Seconds to wait.")
@json_option
def reset_password(database: str, timeout: float, as_json: bool) -> None:
    """Give a database a new password and print its new URL.

    DATABASE is its name or its id. The old password becomes invalid and its sessions end; its other users keep theirs
    (`dbyard database-users`). If the wait is interrupted the platform continues; `dbyard url` prints the new URL as
    soon as it works.
    """
    with session() as client:
        found = client.get_database(database)
        for user in client.list_users(found.id):
            if user.protected:
                client.reset_password(found.id, user.name)
        connection = wait_usable(client, found.name, timeout, f"giving {found.name} a new password")
    if as_json:
        print_json(connection)
    else:
        click.echo(connection.url)


@click.command()
@click.argument("database")
@click.option("--timeout", type=click.FloatRange(min=0), default=60, show_default=True, help="Seconds to wait.")
def repair(database: str, timeout: float) -> None:
    """Let a tenant that locked itself out of a database log in again.

    DATABASE is its name or its id. Its server is brought to what is wanted of it; data, URL and password stay. If the
    wait is interrupted the platform continues.
    """
    from dbyard.errors import PermanentError

    with session() as client:
        found = client.get_database(database)
        ended = _await_end(client, found.name, client.repair(found.id).id, timeout)
        error = ended.error.message if ended.error else client.get_details(found.id).error
    if error:
        raise PermanentError(f"{found.name}: {error}", code="not_repaired")
    click.echo(f"{found.name} is repaired", err=True)


@click.command()
@click.argument("database")
@click.option("--timeout", type=click.FloatRange(min=0), default=150, show_default=True, help="Seconds to wait.")
def upgrade(database: str, timeout: float) -> None:
    """Restart a database by the newest build of its version.

    DATABASE is its name or its id. `dbyard engines` shows what is installed. Sessions end; data, URL, password and
    version stay. Where its server does not run with the new build, it goes back to the old one. If the wait is
    interrupted the platform continues.
    """
    from dbyard.errors import PermanentError

    with session() as client:
        found = client.get_database(database)
        ended = _await_end(client, found.name, client.upgrade(found.id).id, timeout)
        if ended.error:
            raise PermanentError(f"{found.name} keeps its build: {ended.error.message}", code=ended.error.code)
        details = client.get_details(found.id)
    click.echo(f"{found.name} runs on {details.readable_version}", err=True)


def _await_end(client: Client, name: str, operation_id: str, timeout: float) -> Operation:
    from dbyard.errors import TimedOut

    deadline = time.monotonic() + timeout
    while True:
        last = next(each for each in client.list_operations(name) if each.id == operation_id)
        if last.status in ("done", "error"):
            return last
        if time.monotonic() > deadline:
            raise TimedOut(f"{name} is still being changed; see `dbyard operations {name}`")
        time.sleep(_POLL_SECONDS)


def _raise_if_failed(client: Client, name: str) -> None:
    """A failed resize leaves a usable database with its old plan, so check the operation."""
    from dbyard.errors import PermanentError

    last = next((each for each in client.list_operations(name) if each.kind == "resize"), None)
    if last and last.status == "error" and last.error:
        raise PermanentError(f"{name} still has its old plan: {last.error.message}", code=last.error.code)
