"""`dbyard serve` and `dbyard stop`: the platform of this machine."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dbyard import config as settings
from dbyard.errors import ConfigError
from dbyard.model import InstanceState

if TYPE_CHECKING:
    from dbyard.runtimes.local import LocalRuntime

_END_SECONDS = 10.0


@click.command()
@click.option("--home", type=click.Path(path_type=Path), help="Where state and servers live.")
@click.option("--listen", metavar="HOST:PORT", help="Address of the HTTP API (default 127.0.0.1:7878).")
@click.option("--config", "file", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with settings.")
def serve(home: Path | None, listen: str | None, file: Path | None) -> None:
    """Serve the platform until it is stopped; databases keep running."""
    from dbyard import daemon

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)  # `_announce` says when requests are accepted
    try:
        config = settings.load(file, home=home, listen=listen)
        daemon.serve(config, lambda url: _announce(url, config))
    except ConfigError as error:
        raise click.ClickException(str(error)) from error


@click.command()
@click.option("--home", type=click.Path(path_type=Path), help="Where state and servers live.")
@click.option("--config", "file", type=click.Path(path_type=Path, dir_okay=False), help="TOML file with settings.")
def stop(home: Path | None, file: Path | None) -> None:
    """Stop the platform and all its databases; their data stay, and `serve` starts them again."""
    from dbyard import daemon

    try:
        config = settings.load(file, home=home)
        if not config.home.is_dir():
            click.echo(f"nothing to stop: there is no platform in {config.home}")
            return
        _end_platform(config.home)
        with daemon.locked(config.home):
            runtime = daemon.open_runtime(config)
            found = runtime.list_instances()
            for instance_id in found:
                runtime.stop(instance_id)  # ask all first, so that they stop in parallel
            for instance_id in found:
                _stop_instance(runtime, instance_id)
                click.echo(f"stopped the server of instance {instance_id}")
            for spare in runtime.spares.list(running=True):
                runtime.spares.discard(spare.id)
            runtime.remove_cgroups()
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"everything in {config.home} is stopped")


def _stop_instance(runtime: LocalRuntime, instance_id: str) -> None:
    """Stop the instance and wait until it has stopped."""
    runtime.stop(instance_id)
    while runtime.status(instance_id).state is InstanceState.STOPPING:
        time.sleep(0.05)
        runtime.stop(instance_id)


def _announce(url: str, config: settings.Config) -> None:
    click.echo(f"dbyard accepts requests on {url} (home {config.home}, pid {os.getpid()})")


def _end_platform(home: Path) -> None:
    """End the platform that holds the home, if there is one. Only the lock's holder gets a signal."""
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
    raise ConfigError(f"the platform of {home}, pid {signalled}, does not stop")
