"""`dbyard engines`: list, install, pack and uninstall the database servers of this machine."""

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
    from dbyard.installations.programs import Report
    from dbyard.model import Installation, Version

_WANTED = "[TECHNOLOGY[@VERSION]]..."
_json_option = click.option("--json", "as_json", is_flag=True, help="A list of objects, for programs.")


@click.group(invoke_without_command=True)
@_json_option
@click.pass_context
def engines(context: click.Context, as_json: bool) -> None:
    """List the database servers of this machine, or install them.

    They are in DBYARD_ENGINES (for root /var/lib/dbyard/engines), which all homes share.
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
    """Show everything about a server: compatibility, licence, source, digest, path."""
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
@click.option("--upgrade", is_flag=True, help="Also install newer packages of Debian.")
@click.option(
    "--offline",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Use a bundle, no network.",
)
@click.option(
    "--image", metavar="REFERENCE", help="Take it from this image: REGISTRY/PATH:TAG or REGISTRY/PATH@sha256:…"
)
@click.option(
    "--with", "addons", multiple=True, metavar="ADDON", help="What a server may have beside, such as postgis."
)
@click.option("--quiet", is_flag=True, help="One line for each server, and all lines of one that fails.")
def install(
    wanted: Sequence[str], upgrade: bool, offline: Path | None, image: str | None, addons: Sequence[str], quiet: bool
) -> None:
    """Install database servers; without arguments all default servers that are missing.

    Servers that are listed as on request are installed by name only. Nothing is configured or started, and nothing
    outside DBYARD_ENGINES changes. A newer version is installed beside the older one.
    """
    from dbyard import installations
    from dbyard.installations import bundles
    from dbyard.model import engines_home

    bundle = bundles.read(offline) if offline else None
    if bundle:
        click.echo(f"SHA-256 of {bundle.directory / bundles.MANIFEST}: {bundle.digest}")
    versions = _named(wanted) if wanted else _missing(upgrade, bundle)
    if image is not None:
        versions = _from_image(versions if wanted and not bundle else [], image)
    if addons and (len(versions) != 1 or bundle or image):
        raise click.BadParameter("name the one server that is to have it, and no bundle or image", param_hint="--with")
    if not versions:
        click.echo(f"All database servers are installed: {engines_home()}")
        return
    for version in versions:
        if version.notice:
            click.echo(f"{version.server}: {version.notice}")

    def work(version: Version, report: Report) -> Installation:
        return installations.install(version, report, upgrade=upgrade, bundle=bundle, with_addons=addons)

    if quiet:
        click.echo(f"Installing {len(versions)} database servers; that takes some minutes")
    _all_at_once(
        versions,
        lambda version: _hold_back(work, version) if quiet else work(version, click.echo),
        must_succeed=bool(wanted or bundle),
    )
    if wanted and not installations.find_tool("bwrap"):
        click.echo("bwrap is missing, so servers run without a sandbox: `dbyard engines install` installs it")


@engines.command()
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.argument("wanted", nargs=-1, metavar=_WANTED)
def pack(directory: Path, wanted: Sequence[str]) -> None:
    """Write installed servers into DIR, for `install --offline DIR` on machines without a network.

    Without names all default servers. Servers that are missing on this machine are installed first.
    """
    from dbyard import installations
    from dbyard.installations import bundles

    bundles.refuse_filled(directory)
    versions = _named(wanted) if wanted else _default_servers()
    installed = _all_at_once(
        versions, lambda version: installations.install(version, click.echo), must_succeed=bool(wanted)
    )
    written = bundles.write(installed, directory, click.echo)
    size = sum(each.size for each in written.archives) / 1_000_000
    click.echo(f"{len(written.archives)} servers are in {directory}, {size:.0f} MB")
    click.echo(f"SHA-256 of {bundles.MANIFEST}: {written.digest}; compare it with the output of `install --offline`")


@engines.command()
@click.argument("name", metavar="TECHNOLOGY[@VERSION]")
@click.argument("directory", type=click.Path(path_type=Path), metavar="OCI-DIR")
def image(name: str, directory: Path) -> None:
    """Make a container image of an installed server, as an OCI layout in OCI-DIR.

    It runs as uid 65532, has no entry point, and prints the server's version unless it is told to run something else.
    """
    from dbyard import installations
    from dbyard.installations import oci

    version = installations.resolve_shared(_parse(name))
    found = installations.find(version.technology, version.version)
    if found is None:
        raise click.ClickException(f"{name} is not installed")
    digest = oci.write(version, found, directory, click.echo)
    click.echo(f"{directory} holds {digest}")
    click.echo(
        f"skopeo copy oci:{directory}:{found.full_version} docker://REGISTRY/{version.technology}:{version.version}"
    )


@engines.command()
@click.argument("wanted", nargs=-1, metavar=_WANTED)
def verify(wanted: Sequence[str]) -> None:
    """Compare the files of installed servers with what was installed; without names of all of them."""
    from dbyard.errors import InstallationError
    from dbyard.installations import files

    changed = 0
    for installation in _installed(wanted):
        title = f"{installation.technology} {installation.full_version} in {installation.root}"
        try:
            differences = files.compare(installation.root)
        except InstallationError as error:
            differences = [str(error)]
        click.echo("\n  ".join([f"{title}: {'not as installed' if differences else 'as installed'}", *differences]))
        changed += bool(differences)
    if changed:
        sys.exit(1)


@engines.command()
@click.argument("name", metavar="TECHNOLOGY[@VERSION]")
def uninstall(name: str) -> None:
    """Remove a server that no database uses; VERSION can be a full version, to remove only that one.

    Databases of all homes with claimed ports on this machine count, running or not.
    """
    from dbyard import installations
    from dbyard.local import usage

    found = _managed(name)
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
    """The named versions without duplicates; a shared server counts as that of its own technology."""
    from dbyard import installations

    return list(dict.fromkeys(installations.resolve_shared(_parse(text)) for text in wanted))


def _from_image(versions: Sequence[Version], reference: str) -> list[Version]:
    from dataclasses import replace

    from dbyard.installations import images
    from dbyard.recipes import ImageRecipe

    if len(versions) != 1:
        raise click.UsageError("--image goes with one TECHNOLOGY[@VERSION], and not with --offline")
    images.parse(reference)
    return [replace(versions[0], recipe=ImageRecipe(reference=reference), fallback=None)]


def _default_servers() -> list[Version]:
    """All versions that `install` installs on an empty machine, slow ones first."""
    from dbyard import catalogue, installations
    from dbyard.recipes import MavenRecipe

    servers = dict.fromkeys(installations.resolve_shared(each) for each in _versions() if not each.on_request)
    tools = [each for each in catalogue.load().tools.values() if not each.on_request]
    return sorted([*servers, *tools], key=lambda each: type(each.recipe) is not MavenRecipe)


def _missing(upgrade: bool, bundle: Bundle | None) -> list[Version]:
    """The versions of a bundle, or the default ones, that are not installed (with `upgrade`, all of them)."""
    wanted = _named([f"{each.technology}@{each.version}" for each in bundle.archives]) if bundle else _default_servers()
    return [each for each in wanted if upgrade or _needs_install(each)]


def _needs_install(version: Version) -> bool:
    from dbyard import catalogue, installations

    if version in catalogue.load().tools.values():
        return installations.find_tool(version.command) is None
    return installations.needs_install(version)


def _installed(wanted: Sequence[str]) -> list[Installation]:
    """What the names mean, or all, tools included."""
    from dbyard import catalogue, installations

    if wanted:
        return [found for name in wanted for found in _managed(name)]
    known = catalogue.load()
    return [found for name in (*known.technologies, *known.tools) for found in installations.list_all_managed(name)]


def _managed(name: str) -> list[Installation]:
    from dbyard import installations
    from dbyard.model import engines_home

    technology, _, version = name.partition("@")
    placed = installations.list_all_managed(technology) if version else []
    found = [each for each in placed if version == each.root.name]  # one of several builds of a version
    found = found or [each for each in placed if version in (each.version, each.full_version)]
    found = found or installations.list_managed(_parse(name))
    if not found:
        raise click.ClickException(f"{name} is not installed in {engines_home()}")
    return found


def _hold_back(work: Callable[[Version, Report], Installation], version: Version) -> Installation:
    """Print the last line of the work alone; all of them when it fails."""
    lines: list[str] = []
    try:
        done = work(version, lines.append)
    except Exception:
        click.echo("\n".join(lines), err=True)
        raise
    click.echo(lines[-1])
    return done


def _all_at_once(
    versions: Sequence[Version], work: Callable[[Version], Installation], *, must_succeed: bool
) -> list[Installation]:
    """In parallel: one waits for the network while another unpacks. The command fails after all have ended.

    Unless each must succeed, a server for which another one stands in may be missing in the end. Tools come before
    servers: whether there is a sandbox decides what is installed.
    """
    from concurrent.futures import Future, ThreadPoolExecutor, wait

    from dbyard import catalogue
    from dbyard.errors import InstallationError

    with ThreadPoolExecutor(max_workers=len(versions)) as pool:
        tools = [each for each in versions if each in catalogue.load().tools.values()]
        by_version: dict[Version, Future[Installation]] = {each: pool.submit(work, each) for each in tools}
        try:
            wait(by_version.values())
            futures = {each: by_version.get(each) or pool.submit(work, each) for each in versions}
            errors = {each: error for each, future in futures.items() if (error := future.exception())}
        except KeyboardInterrupt:
            os._exit(130)  # without waiting for the others: the next install removes what they leave behind
    for error in errors.values():
        if not isinstance(error, InstallationError):
            raise error
    replaced = {each: stand_in for each in errors if not must_succeed and (stand_in := _find_stand_in(each))}
    for version, stand_in in replaced.items():
        command = f"dbyard engines install {version.technology}@{version.version}"
        why = str(errors[version]).rstrip(".")
        click.echo(f"{why}. Until `{command}` succeeds, {stand_in} is {version.technology}", err=True)
    failed = [error for version, error in errors.items() if version not in replaced]
    for text in dict.fromkeys(map(str, failed)):
        click.echo(f"Error: {text}", err=True)
    if failed:
        sys.exit(1)
    return [future.result() for version, future in futures.items() if version not in errors]


def _find_stand_in(version: Version) -> str | None:
    """The installed server that a create without a version takes instead of this one."""
    from dbyard import catalogue, installations

    technology = catalogue.load().technologies.get(version.technology)
    other = technology.stand_in if technology and version.default else None
    return other.server if other and installations.find(other.technology, other.version) else None
