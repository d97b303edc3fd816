"""`dbyard serve` and `dbyard stop`: the platform of this machine."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

import click

from dbyard import config as settings
from dbyard.errors import ConfigError

_END_SECONDS = 10.0


@click.command()
@click.option("--home", type=click.Path(path_type=Path), help="Where state and servers live.")
@click.option("--listen", metavar="HOST:PORT", help="Address of the HTTP API (default 127.0.0.1:7878).")
@click.option("--config", "file", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with settings.")
def serve(home: Path | None, listen: str | None, file: Path | None) -> None:
    """Serve the platform until it is stopped; databases go on without it."""
    from dbyard import daemon

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # its steps are not news; we say when we accept requests
    try:
        config = settings.load(file, home=home, listen=listen)
        daemon.serve(config, lambda url: _announce(url, config))
    except ConfigError as error:
        raise click.ClickException(str(error)) from error


@click.command()
@click.option("--home", type=click.Path(path_type=Path), help="Where state and servers live.")
@click.option("--config", "file", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with settings.")
def stop(home: Path | None, file: Path | None) -> None:
    """Stop the platform and all of its databases; their data stay, and `serve` brings them back."""
    from dbyard import daemon

    try:
        config = settings.load(file, home=home)
        if not config.home.is_dir():
            click.echo(f"nothing to stop: there is no platform in {config.home}")
            return
        _end_platform(config.home)
        with daemon.locked(config.home):
            runtime = daemon.open_runtime(config)
            for instance_id in runtime.list_instances():
                runtime.stop(instance_id)
                click.echo(f"stopped the server of instance {instance_id}")
            for spare in runtime.list_spares(running=True):
                runtime.discard(spare.id)
            runtime.leave()
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"everything in {config.home} is stopped")


def _announce(url: str, config: settings.Config) -> None:
    click.echo(f"dbyard accepts requests on {url} (home {config.home}, pid {os.getpid()})")


def _end_platform(home: Path) -> None:
    """End the platform that holds the home, if one does: only the holder of the lock is signalled."""
    from dbyard import daemon

    deadline = time.monotonic() + _END_SECONDS
    signalled: int | None = None
    while time.monotonic() < deadline:
        try:
            with daemon.locked(home):
                return
        except ConfigError:
            if signalled is None:
                signalled = daemon.ask_to_end(home)
                if signalled is not None:
                    click.echo(f"stopping the platform, pid {signalled}")
        time.sleep(0.1)
    raise ConfigError(f"the platform of {home}, pid {signalled}, does not end")
