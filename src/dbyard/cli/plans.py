"""plans: the plans of a technology and their limits."""

from __future__ import annotations

import click

from dbyard.cli.output import json_option, print_json, print_table
from dbyard.cli.session import session


@click.command()
@click.argument("technology")
@json_option
def plans(technology: str, as_json: bool) -> None:
    """List the plans of a technology.

    No token is needed.
    """
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
