"""user create, list, disable, enable, password: accounts, for administrators."""

from __future__ import annotations

import click

from dbyard.cli.output import json_option, print_json, print_table, when
from dbyard.cli.session import session


@click.group()
def user() -> None:
    """Create, list, disable and enable accounts."""


@user.command()
@click.argument("name")
@click.option("--email", metavar="ADDRESS", required=True, help="The account's e-mail address; must be unique.")
@click.option("--admin", is_flag=True, help="Make it an administrator.")
@click.option("--password", is_flag=True, help="Ask for a password; without one the account can only use tokens.")
@json_option
def create(name: str, email: str, admin: bool, password: bool, as_json: bool) -> None:
    """Create an account with a default project and print its first API token.

    The token is shown only once. With --json: an object with id, username and token.
    """
    from dbyard.wire.accounts import NewAccount

    secret = _ask_password(name) if password else None
    with session() as client:
        made = client.create_account(NewAccount(name, email, admin, secret))
    if as_json:
        print_json({"id": made.id, "username": made.username, "token": made.token})
    else:
        click.echo(made.token)


@user.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the accounts, oldest first."""
    with session() as client:
        found = client.list_accounts()
    if as_json:
        print_json(found)
    else:
        rows = [
            (each.username, each.email, each.id, "yes" if each.admin else "", when(each.disabled_at)) for each in found
        ]
        print_table(("NAME", "EMAIL", "ID", "ADMIN", "DISABLED"), rows)


@user.command()
@click.argument("name")
def disable(name: str) -> None:
    """Refuse an account's tokens and password from now on; its databases keep running."""
    from dbyard.wire.accounts import AccountChange

    with session() as client:
        client.update_account(name, AccountChange(disabled=True))
    click.echo(f"{name} is disabled", err=True)


@user.command()
@click.argument("name")
def enable(name: str) -> None:
    """Enable a disabled account; its tokens and password work again."""
    from dbyard.wire.accounts import AccountChange

    with session() as client:
        client.update_account(name, AccountChange(disabled=False))
    click.echo(f"{name} is enabled", err=True)


@user.command()
@click.argument("name")
def password(name: str) -> None:
    """Ask for a new password of an account; its tokens stay valid."""
    from dbyard.wire.accounts import AccountChange

    secret = _ask_password(name)
    with session() as client:
        client.update_account(name, AccountChange(password=secret))
    click.echo(f"{name} has a new password", err=True)


def _ask_password(name: str) -> str:
    typed: str = click.prompt(f"Password for {name}", hide_input=True, confirmation_prompt=True, err=True)
    return typed
