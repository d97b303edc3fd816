"""reset-password: changes to a database that runs."""

from __future__ import annotations

import click

from dbyard.cli.databases import wait_usable
from dbyard.cli.output import json_option, print_json
from dbyard.cli.session import session


@click.command("reset-password")
@click.argument("database")
@click.option("--timeout", type=click.FloatRange(min=0), default=60, show_default=True, help="Seconds to wait.")
@json_option
def reset_password(database: str, timeout: float, as_json: bool) -> None:
    """Give a database another password and print its new URL.

    DATABASE is its name or its id. The old password is worthless from then on, and sessions that it opened are ended.
    When the wait is cut short the platform goes on; `dbyard url` has the new URL as soon as it works.
    """
    with session() as client:
        found = client.get_database(database)
        for user in client.list_users(found.id):
            client.reset_password(found.id, user.name)
        connection = wait_usable(client, found.name, timeout, f"giving {found.name} another password")
    if as_json:
        print_json(connection)
    else:
        click.echo(connection.url)
