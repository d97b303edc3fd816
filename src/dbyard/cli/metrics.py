"""metrics: what a database uses, and what its server counts."""

from __future__ import annotations

import click

from dbyard.cli.output import json_option, print_fields, print_json
from dbyard.cli.session import session

_MIB = 1024 * 1024


@click.command()
@click.argument("database")
@json_option
def metrics(database: str, as_json: bool) -> None:
    """Show what a database uses, and what its server counts.

    DATABASE is its name or its id. The processor is a percentage of the plan's cores.
    """
    with session() as client:
        found = client.get_metrics(database)
    if as_json:
        print_json(found)
        return
    memory = found.memory
    print_fields(
        [
            ("cpu", f"{found.cpu_usage} %"),
            ("memory", f"{memory.memory // _MIB} MB of {memory.memory_limit // _MIB} MB"),
            ("memory, most", f"{memory.memory_max // _MIB} MB"),
            ("disk", f"{found.real_disk_size // _MIB} MB"),
            *((name, str(round(value, 2))) for name, value in found.database_stats.items()),
        ]
    )
