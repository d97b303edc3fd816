"""`dbyard state recover`: the home of a lost machine from the archive and the master key."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dbyard import config as settings
from dbyard.errors import ConfigError
from dbyard.local.options import config_option, home_option

if TYPE_CHECKING:
    from dbyard.archive.state_copies import StateArchive
    from dbyard.operations.recovered_state import Recovery


@click.command()
@home_option
@config_option
def recover(home: Path | None, config_file: Path | None) -> None:
    """Make the home of a lost machine again, from the archive and the master key alone.

    Begin with `dbyard key import` in an empty home. The state is that of the newest copy in the archive, and
    `dbyard serve` then makes each database again of its newest proved backup: with the same id, name, users and
    password, on a port that may be another one. Repeat it after a kill.
    """
    from dbyard import daemon
    from dbyard.archive.state_copies import KEY, STATE, install

    config = settings.load(config_file, home=home)
    if not (config.home / KEY).exists():
        raise ConfigError(f"{config.home} has no master key: put it there first (dbyard key import)")
    with daemon.locked(config.home):
        if (config.home / STATE).exists():
            raise ConfigError(f"{config.home} has a state: nothing was recovered, and nothing was changed")
        if any((config.home / "instances").glob("[!.]*")):
            raise ConfigError(f"{config.home} has servers: put its state back (dbyard state restore)")
        staged = config.home / ".restoring"
        get_newest(archive_of(config), staged)
        found = _prepare(config, staged)
        install(config.home, staged, time.time())
    _tell(found)


def archive_of(config: settings.Config) -> StateArchive:
    """The copies of the home's state; its master key opens them."""
    from dbyard import secrets
    from dbyard.archive.settings import location_of
    from dbyard.archive.state_copies import KEY, StateArchive

    return StateArchive(location_of(config), secrets.Box(secrets.read_key(config.home / KEY)))


def get_newest(archive: StateArchive, staged: Path) -> None:
    """The newest copy that is whole. Raises ConfigError when there is none."""
    from dbyard.errors import BackupDamaged, ObjectMissing

    for name in reversed(archive.list()):
        try:
            archive.get(name, staged)
        except (BackupDamaged, ObjectMissing) as error:
            click.echo(f"this copy of the state is left out: {error}", err=True)
        else:
            click.echo(f"the state is that of {name}")
            return
    fingerprint = archive.box.fingerprint
    raise ConfigError(f"{archive.location.url} has no copy of a state that the master key {fingerprint} opens")


def _prepare(config: settings.Config, staged: Path) -> Recovery:
    from dbyard.archive.settings import location_of
    from dbyard.archive.state_copies import STATE
    from dbyard.operations import recovered_state
    from dbyard.store import Store

    box, store = archive_of(config).box, Store(staged / STATE)
    try:
        return recovered_state.prepare(store, location_of(config), box, time.time(), _report)
    finally:
        store.close()


def _report(words: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{words}", err=True, nl=False)


def _tell(found: Recovery) -> None:
    from dbyard import installations
    from dbyard.model.times import to_datetime

    for database, backup in found.made:
        if backup is None:
            click.echo(f"{database.name} ({database.technology}) has no backup: its data are lost")
            continue
        proved = "" if backup.verification.state == "verified" else ", which was not proved yet"
        made = f"{to_datetime(backup.created_at):%Y-%m-%d %H:%M} UTC"
        click.echo(f"{database.name} ({database.technology}) is made again of its backup of {made}{proved}")
    for technology, version in sorted({(each.technology, each.version) for each, _ in found.made}):
        if installations.find(technology, version) is None:
            click.echo(f"before that, run: dbyard engines install {technology}@{version}")
    if found.unknown:
        click.echo(f"the archive has backups of {len(found.unknown)} more databases, which this state does not know")
    click.echo("`dbyard serve` does the rest, and `dbyard list` shows how far it is")
