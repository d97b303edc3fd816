"""`dbyard admin-token`: another first token, for who has lost it and owns the home."""

from __future__ import annotations

from pathlib import Path

import click

from dbyard import config as settings


@click.command("admin-token")
@click.option("--home", type=click.Path(path_type=Path), help="Where state and servers live.")
@click.option("--config", "file", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with settings.")
def admin_token(home: Path | None, file: Path | None) -> None:
    """Make a new first token when it is lost.

    It is the administrator's, in HOME/admin-token; the old one is revoked, and an event records that. For the owner of
    the home, on the platform's own machine, while the platform runs or not.
    """
    from dbyard import daemon

    config = settings.load(file, home=home)
    daemon.replace_admin_token(config.home)
    click.echo(f"the new token is in {config.home / 'admin-token'}; the old one is revoked")
