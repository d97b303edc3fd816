"""settings: what the owner of a database may choose of its server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from dbyard.cli.output import json_option, print_json, print_table
from dbyard.cli.session import session

if TYPE_CHECKING:
    from dbyard.wire.settings import Setting


@click.command()
@click.argument("database")
@click.argument("changes", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--default", "defaults", multiple=True, metavar="NAME", help="Give a setting its default again.")
@json_option
def settings(database: str, changes: Sequence[str], defaults: Sequence[str], as_json: bool) -> None:
    """Show or change settings of a database's server.

    DATABASE is its name or its id. Changes hold at once, without a restart, and after every restart. Some are
    chosen for a new database alone: `dbyard create --set NAME=VALUE`.
    """
    wanted = {**dict(map(read_setting, changes)), **dict.fromkeys(defaults)}
    with session() as client:
        answer = client.change_settings(database, wanted) if wanted else client.get_settings(database)
    if as_json:
        print_json(answer)
    elif answer.settings:
        print_table(("SETTING", "VALUE", "DEFAULT", "TAKES", "MEANING"), [_row(each) for each in answer.settings])
    else:
        click.echo("its server has no settings to choose", err=True)
    if answer.current_operation_id is not None:
        click.echo(f"the server does not have them yet; see `dbyard operations {database}`", err=True)


def read_setting(change: str) -> tuple[str, str]:
    """The name and the value of `NAME=VALUE`."""
    name, equals, value = change.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"{change!r} is not NAME=VALUE")
    return name, value


def _row(setting: Setting) -> tuple[str, ...]:
    takes = " ".join(setting.values) or setting.pattern
    return setting.name, setting.value or "-", setting.default or "-", takes, setting.description
