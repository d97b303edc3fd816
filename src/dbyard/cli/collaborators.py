"""collaborators list, add, limit, remove: who may use a database, or the databases of a project, beside its owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dbyard.cli.output import json_option, print_json, print_table
from dbyard.cli.projects import find_project
from dbyard.cli.session import session

if TYPE_CHECKING:
    from dbyard.client import Client, Shared

_project_option = click.option("--project", is_flag=True, help="TARGET is a project: all its databases are shared.")


@click.group()
def collaborators() -> None:
    """Share a database, or all databases of a project, with other accounts.

    TARGET is the name or id of a database; with --project of a project.
    """


@collaborators.command("list")
@click.argument("target")
@_project_option
@json_option
def list_(target: str, project: bool, as_json: bool) -> None:
    """List who may use TARGET beside its owner."""
    with session() as client:
        found = client.list_collaborators(_find(client, target, project))
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each.email,
            each.username,
            "limited" if each.is_limited else "full",
            "project" if each.project_id else "database",
        )
        for each in found
    ]
    print_table(("EMAIL", "NAME", "ACCESS", "BY"), rows)


@collaborators.command()
@click.argument("target")
@click.argument("email")
@click.option("--limited", is_flag=True, help="They see and use it, and change nothing.")
@_project_option
def add(target: str, email: str, limited: bool, project: bool) -> None:
    """Let the account with that e-mail address use TARGET."""
    with session() as client:
        client.add_collaborator(_find(client, target, project), email, limited=limited)
    click.echo(f"{email} may use {target}", err=True)


@collaborators.command()
@click.argument("target")
@click.argument("email")
@click.option("--off", is_flag=True, help="Let them change it again.")
@_project_option
def limit(target: str, email: str, off: bool, project: bool) -> None:
    """Let a collaborator see and use TARGET, and change nothing."""
    with session() as client:
        shared = _find(client, target, project)
        client.change_collaborator(shared, _account(client, shared, email), limited=not off)
    click.echo(f"{email} may {'change' if off else 'only use'} {target}", err=True)


@collaborators.command()
@click.argument("target")
@click.argument("email")
@_project_option
def remove(target: str, email: str, project: bool) -> None:
    """End a collaboration."""
    with session() as client:
        shared = _find(client, target, project)
        client.remove_collaborator(shared, _account(client, shared, email))
    click.echo(f"{email} is no collaborator of {target} any more", err=True)


def _find(client: Client, target: str, project: bool) -> Shared:
    return find_project(client, target) if project else client.get_database(target)


def _account(client: Client, shared: Shared, email: str) -> str:
    """The id of the collaborator with that e-mail address or username."""
    from dbyard.errors import NotFound

    for each in client.list_collaborators(shared):
        if email.lower() in (each.email.lower(), each.username):
            return each.id
    raise NotFound(f"{email} is no collaborator of {shared.name}")
