"""token create, list, revoke."""

from __future__ import annotations

import click

from dbyard.cli.output import json_option, print_json, print_table, when
from dbyard.cli.session import session


@click.group()
def token() -> None:
    """Create, list and revoke API tokens."""


@token.command()
@click.argument("name")
@json_option
def create(name: str, as_json: bool) -> None:
    """Create a token and print it.

    It is shown this once: the platform keeps only its digest.
    """
    with session() as client:
        made = client.create_token(name)
    if as_json:
        print_json(made)
    else:
        click.echo(made.token)


@token.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List your tokens, without their values."""
    with session() as client:
        found = client.list_tokens()
    if as_json:
        print_json(found)
    else:
        rows = [(each.id, each.name, when(each.created_at), when(each.last_used_at)) for each in found]
        print_table(("ID", "NAME", "CREATED", "LAST USED"), rows)


@token.command()
@click.argument("token_id", metavar="ID")
def revoke(token_id: str) -> None:
    """Revoke a token: whoever uses it is refused from now on."""
    with session() as client:
        client.revoke_token(token_id)
    click.echo(f"token {token_id} is revoked", err=True)
