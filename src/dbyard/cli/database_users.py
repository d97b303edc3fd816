"""database-users list, create, reset-password, remove: the logins inside a database's server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dbyard.cli.output import json_option, print_json, print_table
from dbyard.cli.session import session

if TYPE_CHECKING:
    from dbyard.wire.database_users import DatabaseUser, PasswordAnswer


@click.group("database-users")
def database_users() -> None:
    """List, make and remove users of a database.

    DATABASE is its name or its id. The user that it was made with is protected: it goes with the database.
    """


@database_users.command("list")
@click.argument("database")
@json_option
def list_(database: str, as_json: bool) -> None:
    """List the users of DATABASE."""
    with session() as client:
        found = client.list_users(client.get_database(database).id)
    if as_json:
        print_json(found)
    else:
        print_table(("NAME", "ACCESS", "PROTECTED", "TROUBLE"), [_row(each) for each in found])


@database_users.command()
@click.argument("database")
@click.argument("name")
@click.option("--read-only", is_flag=True, help="It reads all data, also what is made later, and changes nothing.")
@click.option("--password", is_flag=True, help="Ask for a password; without this it gets one.")
@json_option
def create(database: str, name: str, read_only: bool, password: bool, as_json: bool) -> None:
    """Make a user of DATABASE and print the URL with which it connects.

    NAME has between 6 and 32 letters, digits, hyphens and underscores. It may do what the database's own user may, or
    with --read-only only read.
    """
    from dbyard.wire.database_users import NewDatabaseUser

    chosen = click.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True) if password else None
    with session() as client:
        found = client.get_database(database)
        answer = client.create_user(found.id, NewDatabaseUser(name, read_only, chosen))
    _print(answer, found.name, as_json)


@database_users.command("reset-password")
@click.argument("database")
@click.argument("name")
@json_option
def reset_password(database: str, name: str, as_json: bool) -> None:
    """Give a user of DATABASE a new password and print its URL; the sessions of the old one end."""
    with session() as client:
        found = client.get_database(database)
        answer = client.reset_password(found.id, name)
    _print(answer, found.name, as_json)


@database_users.command()
@click.argument("database")
@click.argument("name")
def remove(database: str, name: str) -> None:
    """Remove a user of DATABASE: its sessions end, and what it owns goes to the protected one."""
    with session() as client:
        found = client.get_database(database)
        client.remove_user(found.id, name)
    click.echo(f"{name} is no user of {found.name} any more", err=True)


def _print(answer: PasswordAnswer, database: str, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        click.echo(answer.url)
    if answer.error:
        click.echo(f"{answer.name} cannot log in: {answer.error}", err=True)
    if answer.current_operation_id is not None:
        click.echo(f"the server does not have it yet; see `dbyard operations {database}`", err=True)


def _row(user: DatabaseUser) -> tuple[str, ...]:
    return user.name, "reads" if user.read_only else "writes", "yes" if user.protected else "", user.error or ""
