"""plans: the technologies, or the plans of one and their limits."""

from __future__ import annotations

import click

from dbyard.cli.output import json_option, print_json, print_table
from dbyard.cli.session import session


@click.command()
@click.argument("technology", required=False)
@json_option
def plans(technology: str | None, as_json: bool) -> None:
    """List the technologies, or the plans of one.

    No token is needed.
    """
    if technology is None:
        _print_technologies(as_json)
        return
    with session() as client:
        found = client.list_plans(technology)
    if as_json:
        print_json(found)
        return
    rows = [
        (
            plan.name,
            plan.display_name,
            str(plan.properties.memory_mb),
            str(plan.properties.disk_mb),
            str(plan.properties.connections),
            f"{plan.properties.cpu:g}",
            plan.description,
        )
        for plan in found
    ]
    print_table(("PLAN", "NAME", "MEMORY MB", "DISK MB", "CONNECTIONS", "CPU", "DESCRIPTION"), rows)


def _print_technologies(as_json: bool) -> None:
    with session() as client:
        found = client.list_providers()
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each.id,
            each.name,
            ", ".join(version.version for version in each.versions),
            str(len(each.plans)),
            each.description,
        )
        for each in found
    ]
    print_table(("TECHNOLOGY", "NAME", "VERSIONS", "PLANS", "DESCRIPTION"), rows)
    click.echo("`dbyard plans TECHNOLOGY` lists the plans of one", err=True)
