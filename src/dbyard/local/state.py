"""`dbyard state`: the platform's own state is copied while it serves, and put back."""

from __future__ import annotations

import time
from pathlib import Path

import click

from dbyard import config as settings
from dbyard.errors import ConfigError
from dbyard.local.options import config_option, home_option, passphrase_option, read_passphrase
from dbyard.local.rebuild import accept, rebuild
from dbyard.local.recover import archive_of, recover


@click.group()
def state() -> None:
    """Back up the platform's own state, and put it back.

    It is accounts, projects, databases with their passwords, and events. What is in the databases is backed up by
    `dbyard backup`.
    """


@state.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@home_option
@passphrase_option
def backup(file: Path, home: Path | None, passphrase_file: Path | None) -> None:
    """Copy the state and the master key into FILE, sealed by a passphrase; the platform may serve meanwhile."""
    from dbyard import secrets
    from dbyard.archive import objects, sealed_files, state_copies

    used = settings.load(None, home=home).home
    box = secrets.Box(secrets.read_key(used / state_copies.KEY))
    passphrase = read_passphrase(passphrase_file, new=True)
    with state_copies.reading(used) as source, state_copies.copied(used, source) as copied:
        plain = state_copies.pack(used, copied, with_key=True)
        secrets.write_secret_pieces(file, sealed_files.seal("state", box.fingerprint, passphrase, plain, objects.LEVEL))
    click.echo(f"the state of {used} is in {file}")


@state.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@home_option
@passphrase_option
def restore(file: Path, home: Path | None, passphrase_file: Path | None) -> None:
    """Put the state of FILE into a home that is not served; the state that was there is kept beside it."""
    from dbyard import daemon
    from dbyard.archive import objects, sealed_files, state_copies

    used = settings.load(None, home=home).home
    passphrase = read_passphrase(passphrase_file, new=False)
    with daemon.locked(used):
        staged = used / ".restoring"
        try:
            with file.open("rb") as sealed:
                state_copies.unpack(sealed_files.unseal("state", passphrase, sealed, objects.LEVEL), staged)
        except OSError as error:
            raise ConfigError(f"cannot read {file}: {error.strerror}") from error
        aside = state_copies.install(used, staged, time.time())
    kept = f"; the one that was there is in {aside}" if aside else ""
    click.echo(f"the state of {file} is in {used}{kept}")


@state.command()
@home_option
@config_option
def copy(home: Path | None, config_file: Path | None) -> None:
    """Copy the state into the archive now, as the platform does every day."""
    from dbyard.archive import state_copies

    config = settings.load(config_file, home=home)
    with state_copies.reading(config.home) as source:
        name = archive_of(config).put(config.home, source, time.time())
    click.echo(f"the state of {config.home} is in the archive as {name}")


for command in (recover, rebuild, accept):
    state.add_command(command)
