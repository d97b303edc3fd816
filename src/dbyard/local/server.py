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

if TYPE_CHECKING:
    from dbyard.runtimes.local import LocalRuntime

_END_SECONDS = 10.0
_STOP_SECONDS = 120.0
"""Longer than any server is given to stop by itself."""


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
        readonly = daemon.is_readonly(config.home)
        if readonly:
            click.echo(f"the home {config.home} cannot be written: its servers are killed, and nothing is tidied up")
        _end_platform(config.home, readonly=readonly)
        with daemon.locked(config.home, readonly=readonly):
            left = _stop_servers(daemon.open_runtime(config, readonly=readonly), readonly=readonly)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    if left:
        raise click.ClickException(f"these servers do not stop: {', '.join(left)}")
    click.echo(f"everything in {config.home} is stopped")


def _stop_servers(runtime: LocalRuntime, *, readonly: bool) -> list[str]:
    """Stop all; returns those that go on running."""
    found, left = runtime.list_instances(), []
    for instance_id in found:
        runtime.stop(instance_id, force=readonly)  # ask all first, so that they stop in parallel
    for instance_id in found:
        if _stop_instance(runtime, instance_id, force=readonly):
            click.echo(f"stopped the server of instance {instance_id}")
        else:
            left.append(instance_id)
    for spare in runtime.spares.list(running=True):
        if readonly:
            runtime.spares.kill(spare.id)
        else:
            runtime.spares.discard(spare.id)
    if not left and not readonly:
        runtime.remove_cgroups()
    return left


def _stop_instance(runtime: LocalRuntime, instance_id: str, *, force: bool) -> bool:
    """Whether the instance has stopped, which is waited for."""
    deadline = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < deadline:
        runtime.stop(instance_id, force=force)
        if not runtime.list_processes(instance_id):
            return True
        time.sleep(0.05)
    return False


def _announce(url: str, config: settings.Config) -> None:
    click.echo(f"dbyard accepts requests on {url} (home {config.home}, pid {os.getpid()})")


def _end_platform(home: Path, *, readonly: bool) -> None:
    """End the platform that holds the home, if there is one. Only the lock's holder gets a signal."""
    from dbyard import daemon

    deadline = time.monotonic() + _END_SECONDS
    signalled: int | None = None
    while time.monotonic() < deadline:
        try:
            with daemon.locked(home, readonly=readonly):
                return
        except ConfigError:
            if signalled is None:
                signalled = daemon.ask_to_end(home)
                if signalled is not None:
                    click.echo(f"stopping the platform, pid {signalled}")
        time.sleep(0.1)
    raise ConfigError(f"the platform of {home}, pid {signalled}, does not stop")
