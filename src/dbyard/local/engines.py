"""`dbyard engines`: which database servers this machine has, how to get those that it has not, and how to part."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dbyard.installations.bundles import Bundle
    from dbyard.model import Installation, Version

_WANTED = "[TECHNOLOGY[@VERSION]]..."
_json_option = click.option("--json", "as_json", is_flag=True, help="A list of objects, for programs.")


@click.group(invoke_without_command=True)
@_json_option
@click.pass_context
def engines(context: click.Context, as_json: bool) -> None:
    """List the database servers of this machine, or install them.

    They lie in DBYARD_ENGINES (as root /var/lib/dbyard/engines), one place that all homes share.
    """
    from dbyard.local import listing

    if context.invoked_subcommand is not None:
        return
    versions = _versions()
    if as_json:
        click.echo(json.dumps([listing.row(version) for version in versions], indent=2))
    else:
        click.echo(f"{listing.table(versions)}\n\n{listing.advice(versions)}")


@engines.command()
@click.argument("name", metavar="TECHNOLOGY[@VERSION]")
@_json_option
def show(name: str, as_json: bool) -> None:
    """Tell everything about a server: what it is compatible with, licence, source, digest, path."""
    from dbyard.local import listing

    only = _parse(name)
    versions = [
        each for each in _versions() if each.technology == only.technology and ("@" not in name or each == only)
    ]
    if as_json:
        click.echo(json.dumps([listing.row(version) for version in versions], indent=2))
    else:
        click.echo("\n\n".join(map(listing.page, versions)))


@engines.command()
@click.argument("wanted", nargs=-1, metavar=_WANTED)
@click.option("--upgrade", is_flag=True, help="Look for newer packages of Debian as well.")
@click.option(
    "--offline",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Use a bundle, no network.",
)
def install(wanted: Sequence[str], upgrade: bool, offline: Path | None) -> None:
    """Install database servers; without arguments all that dbyard brings by default and this machine lacks.

    What a server is called on request is installed by name only. Nothing is configured or started, nothing outside
    DBYARD_ENGINES is changed, and what is newer goes beside what is there.
    """
    from dbyard import installations
    from dbyard.installations import bundles
    from dbyard.model import engines_home

    bundle = bundles.read(offline) if offline else None
    if bundle:
        click.echo(f"SHA-256 of {bundle.directory / bundles.MANIFEST}: {bundle.digest}")
    versions = _named(wanted) if wanted else _missing(upgrade, bundle)
    if not versions:
        click.echo(f"Every database server is there: {engines_home()}")
        return
    for version in versions:
        if version.notice:
            click.echo(f"{version.server}: {version.notice}")
    _all_at_once(versions, lambda version: installations.install(version, click.echo, upgrade=upgrade, bundle=bundle))
    if wanted and not installations.find_tool("bwrap"):
        click.echo("Servers run in a sandbox if bwrap is there: `dbyard engines install` brings it")


@engines.command()
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.argument("wanted", nargs=-1, metavar=_WANTED)
def pack(directory: Path, wanted: Sequence[str]) -> None:
    """Write installed servers into DIR, for `install --offline DIR` on machines without a network.

    Without names all that dbyard brings by default. What is missing here is installed first.
    """
    from dbyard import installations
    from dbyard.installations import bundles

    bundles.refuse_filled(directory)
    versions = _named(wanted) if wanted else _default_servers()
    installed = _all_at_once(versions, lambda version: installations.install(version, click.echo))
    written = bundles.write(installed, directory, click.echo)
    size = sum(each.size for each in written.archives) / 1_000_000
    click.echo(f"{len(written.archives)} servers are in {directory}, {size:.0f} MB")
    click.echo(f"SHA-256 of {bundles.MANIFEST}: {written.digest}; `install --offline` tells it as well, to compare")


@engines.command()
@click.argument("name", metavar="TECHNOLOGY[@VERSION]")
def uninstall(name: str) -> None:
    """Remove a server that no database uses; VERSION may be a full version, to remove an older one only.

    Databases are those of all homes that have claimed a port on this machine, running or not.
    """
    from dbyard import installations
    from dbyard.local import usage

    found = _removable(name)
    for installation in found:
        installations.refuse_used(installation, usage.users_of(installation))
    for installation in found:
        installations.uninstall(installation, usage.users_of)
        click.echo(f"removed {installation.technology} {installation.full_version} from {installation.root}")


def _versions() -> list[Version]:
    from dbyard import catalogue

    return [version for technology in catalogue.load().technologies.values() for version in technology.versions]


def _parse(text: str) -> Version:
    from dbyard import catalogue
    from dbyard.errors import Invalid

    technology, _, version = text.partition("@")
    known = catalogue.load()
    tool = known.tools.get(technology)
    if tool is not None and version in ("", tool.version):
        return tool
    try:
        return known.version(technology, version or None)
    except Invalid as error:
        raise click.BadParameter(f"{text}: {error}") from error


def _named(wanted: Sequence[str]) -> list[Version]:
    """Each once, and a server that two technologies share under the name of its own."""
    from dbyard import installations

    return list(dict.fromkeys(installations.resolve_shared(_parse(text)) for text in wanted))


def _default_servers() -> list[Version]:
    """All that `install` brings to a machine that has nothing, slow ones first."""
    from dbyard import catalogue, installations
    from dbyard.recipes import MavenRecipe

    servers = dict.fromkeys(installations.resolve_shared(each) for each in _versions() if not each.on_request)
    return sorted([*servers, *catalogue.load().tools.values()], key=lambda each: type(each.recipe) is not MavenRecipe)


def _missing(upgrade: bool, bundle: Bundle | None) -> list[Version]:
    """All of a bundle, else all that comes by default; without those that are there."""
    wanted = _named([f"{each.technology}@{each.version}" for each in bundle.archives]) if bundle else _default_servers()
    return [each for each in wanted if upgrade or _needs_install(each)]


def _needs_install(version: Version) -> bool:
    from dbyard import catalogue, installations

    if version in catalogue.load().tools.values():
        return installations.find_tool(version.command) is None
    return installations.needs_install(version)


def _removable(name: str) -> list[Installation]:
    from dbyard import installations
    from dbyard.model import engines_home

    technology, _, version = name.partition("@")
    placed = installations.list_all_managed(technology) if version else []
    found = [each for each in placed if version in (each.version, each.full_version, each.root.name)]
    found = found or installations.list_managed(_parse(name))
    if not found:
        raise click.ClickException(f"{name} is not installed in {engines_home()}")
    return found


def _all_at_once(versions: Sequence[Version], work: Callable[[Version], Installation]) -> list[Installation]:
    """One waits for the network while another unpacks. When one fails the others go on, and then the command fails."""
    from concurrent.futures import ThreadPoolExecutor

    from dbyard.errors import InstallationError

    with ThreadPoolExecutor(max_workers=len(versions)) as pool:
        futures = [pool.submit(work, version) for version in versions]
        try:
            errors = [error for future in futures if (error := future.exception())]
        except KeyboardInterrupt:
            os._exit(130)  # without waiting for the others: what an install leaves behind, the next one removes
    for error in errors:
        if not isinstance(error, InstallationError):
            raise error
    for text in dict.fromkeys(map(str, errors)):
        click.echo(f"Error: {text}", err=True)
    if errors:
        sys.exit(1)
    return [future.result() for future in futures]
