"""project list, create, rename, default, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dbyard.cli.output import json_option, print_json, print_table, when
from dbyard.cli.session import session

if TYPE_CHECKING:
    from dbyard.client import Client
    from dbyard.wire.projects import Project


def find_project(client: Client, key: str) -> Project:
    """Your project with that id, else with that name."""
    from dbyard.errors import NotFound

    found = client.list_projects()
    for project in sorted(found, key=lambda each: each.id != key):
        if key in (project.id, project.name):
            return project
    raise NotFound(f"Project not found: yours are {', '.join(each.name for each in found)}")


@click.group()
def project() -> None:
    """Create, list, rename and delete projects."""


@project.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List your projects, oldest first."""
    with session() as client:
        found = client.list_projects()
    if as_json:
        print_json(found)
    else:
        rows = [(each.name, each.id, "yes" if each.default else "", when(each.created_at)) for each in found]
        print_table(("NAME", "ID", "DEFAULT", "CREATED"), rows)


@project.command()
@click.argument("name")
@click.option("--default", is_flag=True, help="Make it the default project of new databases.")
@json_option
def create(name: str, default: bool, as_json: bool) -> None:
    """Create a project and print its id."""
    from dbyard.wire.projects import NewProject

    with session() as client:
        made = client.create_project(NewProject(name, default))
    if as_json:
        print_json(made)
    else:
        click.echo(made.id)


@project.command()
@click.argument("project")
@click.argument("name")
def rename(project: str, name: str) -> None:
    """Rename a project, by its name or id, to NAME."""
    from dbyard.wire.projects import ProjectChange

    with session() as client:
        client.update_project(find_project(client, project).id, ProjectChange(name=name))
    click.echo(f"project {project} is now {name}", err=True)


@project.command()
@click.argument("project")
def default(project: str) -> None:
    """Make a project the default project of new databases."""
    from dbyard.wire.projects import ProjectChange

    with session() as client:
        client.update_project(find_project(client, project).id, ProjectChange(default=True))
    click.echo(f"project {project} is the default project", err=True)


@project.command()
@click.argument("project")
def delete(project: str) -> None:
    """Delete an empty project."""
    with session() as client:
        client.delete_project(find_project(client, project).id)
    click.echo(f"project {project} is deleted", err=True)
