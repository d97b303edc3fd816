"""`dbyard state rebuild` and `dbyard state accept`: a state that is lost, or older than its servers."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dbyard import config as settings
from dbyard.errors import ConfigError
from dbyard.local.options import config_option, home_option
from dbyard.local.recover import archive_of, get_newest

if TYPE_CHECKING:
    from dbyard.operations.rebuilt_state import Rebuilt

_WHOLE = "rebuilt"
"""In the directory of what is to be put in place: nothing of it is lacking."""


@click.command()
@home_option
@config_option
def rebuild(home: Path | None, config_file: Path | None) -> None:
    """Rebuild a state that is lost, damaged or too old from what lies beside the servers, which run on.

    What there is of it stays: the state of the home where it can be read, else the newest copy in the archive. Without
    either there are no tokens, and accounts without a database, and the events of the past are lost. The platform must
    not run; the state that was there is kept beside the new one.
    """
    from dbyard import daemon, secrets, state_mark
    from dbyard.archive.settings import location_of
    from dbyard.archive.state_copies import KEY, STATE, install
    from dbyard.operations import rebuilt_state

    config = settings.load(config_file, home=home)
    with daemon.locked(config.home):
        box = secrets.Box(secrets.read_key(config.home / KEY))
        staged, found = config.home / ".restoring", None
        if (config.home / STATE).exists() or not (staged / _WHOLE).exists():
            _stage_base(config, staged)
            runtime = daemon.open_runtime(config, readonly=True)
            found = rebuilt_state.rebuild(staged / STATE, runtime, location_of(config), box, time.time())
            secrets.write_secret(staged / _WHOLE, "")
        else:
            click.echo("what was rebuilt before, by a command that was killed, is put in place")
        aside = install(config.home, staged, time.time())
        state_mark.forget(config.home)
    if aside is not None:
        click.echo(f"the state that was there is in {aside}")
    if found is not None:
        _tell(found)


@click.command()
@home_option
def accept(home: Path | None) -> None:
    """Let a state that is older than its servers hold: they are brought to it when the platform starts.

    Their passwords and plans become older ones; servers that it does not know are stopped, and their files are kept.
    """
    from dbyard import daemon, state_mark
    from dbyard.archive.state_copies import STATE

    used = settings.load(None, home=home).home
    with daemon.locked(used):
        if not (used / STATE).exists():
            raise ConfigError(f"there is no state in {used}")
        state_mark.accept(used)
    click.echo(f"the next `dbyard serve` brings the servers of {used} to its state")


def _stage_base(config: settings.Config, staged: Path) -> None:
    """What the manifests are put into: the home's own state, else the newest copy of it, else nothing."""
    from dbyard.archive import state_copies
    from dbyard.errors import ArchiveUnavailable

    shutil.rmtree(staged, ignore_errors=True)
    (staged / "state").mkdir(parents=True, mode=0o700)
    if (config.home / state_copies.STATE).exists():
        try:
            with state_copies.reading(config.home) as source:
                state_copies.copy_whole(source, staged / state_copies.STATE)
            click.echo("what is in the state already stays")
            return
        except ConfigError as error:
            click.echo(f"{error}", err=True)
    try:
        get_newest(archive_of(config), staged)
        return
    except (ConfigError, ArchiveUnavailable) as error:
        click.echo(f"{error}", err=True)
    shutil.rmtree(staged)
    (staged / "state").mkdir(parents=True, mode=0o700)
    click.echo("there are no tokens and no events in it: the next `dbyard serve` writes a new first token")


def _tell(found: Rebuilt) -> None:
    for name in found.told:
        click.echo(f"{name} is known again")
    for database_id in found.gone:
        click.echo(f"of the database {database_id} there is no server here: it is kept as stopped")
    for instance_id in found.unreadable:
        click.echo(f"of the instance {instance_id} nothing is known: its files are kept, its server will be stopped")
