"""token create, list, renew, revoke."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, get_args

import click

from dbyard.cli.output import json_option, print_json, print_table, when
from dbyard.cli.projects import find_project
from dbyard.cli.session import session

if TYPE_CHECKING:
    from dbyard.wire import tokens as wire

Scope = Literal["read", "read_credentials", "write", "admin"]


@click.group()
def token() -> None:
    """Create, list, renew and revoke API tokens."""


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def read_duration(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> int | None:
    """The seconds of 45m, 12h, 30d or 4w."""
    if value is None:
        return None
    found = re.fullmatch(r"([0-9]{1,9})([smhdw])", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is not a duration such as 45m, 12h, 30d or 4w")
    return int(found[1]) * _SECONDS[found[2]]


@token.command()
@click.argument("name")
@click.option("--scope", type=click.Choice(get_args(Scope)), help="What it is allowed to do.")
@click.option("--project", metavar="PROJECT", help="The name or id of the only project that it can use.")
@click.option("--expires", callback=read_duration, metavar="DURATION", help="When it expires: 45m, 12h, 30d, 4w.")
@json_option
def create(name: str, scope: Scope | None, project: str | None, expires: int | None, as_json: bool) -> None:
    """Create a token and print it.

    It is shown only once: the platform stores its digest. Options that are left out are those of the token in use.
    """
    from dbyard.wire.tokens import NewToken

    with session() as client:
        project_id = find_project(client, project).id if project is not None else None
        made = client.create_token(NewToken(name, scope, project_id, expires))
    _print_value(made, as_json)


@token.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List your tokens, without their values."""
    with session() as client:
        found = client.list_tokens()
    if as_json:
        print_json(found)
    else:
        print_table(("ID", "NAME", "SCOPE", "PROJECT", "CREATED", "LAST USED", "EXPIRES"), list(map(_row, found)))


@token.command()
@click.argument("token_id", metavar="ID")
@json_option
def renew(token_id: str, as_json: bool) -> None:
    """Give a token a new value and print it; the old value is refused from now on."""
    with session() as client:
        made = client.renew_token(token_id)
    _print_value(made, as_json)


@token.command()
@click.argument("token_id", metavar="ID")
def revoke(token_id: str) -> None:
    """Revoke a token: it is refused from now on."""
    with session() as client:
        client.revoke_token(token_id)
    click.echo(f"token {token_id} is revoked", err=True)


def _print_value(made: wire.Token, as_json: bool) -> None:
    if as_json:
        print_json(made)
    else:
        click.echo(made.token)


def _row(token: wire.Token) -> tuple[str, ...]:
    return (
        token.id,
        token.name,
        token.scope,
        token.project_id or "all",
        when(token.created_at),
        when(token.last_used_at),
        when(token.expires_at),
    )
