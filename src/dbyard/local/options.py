"""Options of several commands: the home, its settings, and the passphrase of a sealed file."""

from __future__ import annotations

from pathlib import Path

import click

from dbyard.errors import ConfigError

home_option = click.option("--home", type=click.Path(path_type=Path), help="Where state and servers live.")
config_option = click.option(
    "--config", "config_file", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with settings."
)
passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read the passphrase from the first line of a file instead of asking for it.",
)


def read_passphrase(file: Path | None, *, new: bool) -> str:
    """With `new` it is asked for twice. Raises ConfigError for a file that cannot be read or is empty."""
    if file is None:
        given: str = click.prompt("passphrase", hide_input=True, confirmation_prompt=new, err=True)
        return given
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the passphrase of {file}: {error}") from error
    if not lines or not lines[0]:
        raise ConfigError(f"the first line of {file} has no passphrase")
    return lines[0]
