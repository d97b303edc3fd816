"""`dbyard key export` and `dbyard key import`: the master key as a file that a passphrase opens."""

from __future__ import annotations

from pathlib import Path

import click

from dbyard import config as settings
from dbyard.errors import ConfigError
from dbyard.local.options import home_option, passphrase_option, read_passphrase


@click.group()
def key() -> None:
    """Keep the master key elsewhere, sealed by a passphrase, and put it back.

    It opens everything that the platform seals: the passwords of databases, and all of the archive.
    """


@key.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@home_option
@passphrase_option
def export(file: Path, home: Path | None, passphrase_file: Path | None) -> None:
    """Write the master key into FILE, sealed by a passphrase.

    FILE is text of a few lines. Whoever has it and the passphrase can read every backup; without one of them nobody
    can, once the machine is lost.
    """
    from dbyard import secrets
    from dbyard.archive import sealed_files

    master = secrets.read_key(settings.load(None, home=home).home / "master.key")
    fingerprint = secrets.Box(master).fingerprint
    passphrase = read_passphrase(passphrase_file, new=True)
    secrets.write_secret_pieces(file, [sealed_files.seal_key(fingerprint, passphrase, master)])
    click.echo(f"the master key {fingerprint} is in {file}; keep it and its passphrase apart, and not on this machine")


@key.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@home_option
@passphrase_option
def import_(file: Path, home: Path | None, passphrase_file: Path | None) -> None:
    """Put the master key of FILE into a home that has none.

    Nothing else is made there: `dbyard state recover` goes on.
    """
    from dbyard import daemon, secrets
    from dbyard.archive import sealed_files

    wanted = settings.load(None, home=home).home
    passphrase = read_passphrase(passphrase_file, new=False)
    try:
        with file.open("rb") as sealed:
            master = sealed_files.unseal_key(passphrase, sealed)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    with daemon.locked(wanted):
        path = wanted / "master.key"
        if path.exists() and secrets.read_key(path) != master:
            raise ConfigError(f"{path} is another key: nothing was changed")
        secrets.write_secret_pieces(path, [master])
    click.echo(f"the master key {secrets.Box(master).fingerprint} is in {path}")
