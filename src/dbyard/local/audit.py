"""`dbyard audit`: whether what was recorded is still what was recorded, read from the home's state file."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import click

from dbyard import config as settings
from dbyard.errors import ConfigError, DbyardError


@click.group()
def audit() -> None:
    """Check that recorded events were not changed."""


@audit.command()
@click.option("--home", type=click.Path(path_type=Path), help="Where state and servers live.")
@click.option("--head", metavar="HASH", help="Check that this head, printed earlier, is still in the chain.")
def verify(home: Path | None, head: str | None) -> None:
    """Check the chain of events and print their number and the hash of the last one.

    Nothing is written, and the platform may run meanwhile. The exit code is 1 if an event was changed or one in the
    middle is missing. Only --head detects events cut off at the end: keep the printed head elsewhere.
    """
    from dbyard.store import open_readonly

    if head is not None and not re.fullmatch("[0-9a-f]{64}", head):
        raise click.UsageError("--head must be a hash as this command prints it: 64 of 0-9 and a-f")
    path = settings.load(None, home=home).home / "state" / "dbyard.db"
    if not path.exists():
        raise ConfigError(f"there is no platform in {path.parent.parent}: name its home with --home")
    try:
        with open_readonly(path) as connection:
            count, last = _walk(connection, head)
    except sqlite3.Error as error:
        raise ConfigError(f"cannot read the events of {path}: {error}") from error
    click.echo(f"events  {count}\nhead    {last}")


def _walk(connection: sqlite3.Connection, head: str | None) -> tuple[int, str]:
    """The number of events and the hash of the last one. Raises DbyardError at the first broken link."""
    from dbyard.store import events

    found = head is None
    count, last = 0, ""
    for chain in events.walk(connection):
        if chain.fault is not None:
            raise DbyardError(f"the chain is broken after {chain.count} events: {chain.fault}")
        count, last = chain.count, chain.head.hex()
        found = found or last == head
    if not found:
        raise DbyardError(f"no event has the hash {head}: events are missing or were rewritten; there are {count}")
    return count, last
