"""`dbyard engines`: which database servers this machine has, and how to get those that it has not."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dbyard.model import Version

_COLUMNS = ("technology", "version", "full_version", "default", "server", "licence", "source", "path")


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="A list of objects, for programs.")
@click.pass_context
def engines(context: click.Context, as_json: bool) -> None:
    """List the database servers of this machine, or install them.

    They lie in DBYARD_ENGINES (as root /var/lib/dbyard/engines), one place that all homes share.
    """
    if context.invoked_subcommand is not None:
        return
    rows = [_row(version) for version in _versions()]
    click.echo(json.dumps(rows, indent=2) if as_json else _table(rows))


@engines.command()
@click.argument("wanted", nargs=-1, metavar="[TECHNOLOGY[@VERSION]]...")
def install(wanted: Sequence[str]) -> None:
    """Install database servers; without arguments all that dbyard knows and this machine lacks.

    Nothing is configured or started, and nothing outside DBYARD_ENGINES is changed.
    """
    from dbyard import installations
    from dbyard.model import engines_home

    versions = list(dict.fromkeys(map(_parse, wanted))) if wanted else _missing()
    if not versions:
        click.echo(f"Every database server is there: {engines_home()}")
        return
    errors = _install_all(versions)
    for error in dict.fromkeys(errors):
        click.echo(f"Error: {error}", err=True)
    if errors:
        sys.exit(1)
    if wanted and not installations.tool("bwrap"):
        click.echo("Servers run in a sandbox if bwrap is there: `dbyard engines install` brings it")


def _versions() -> list[Version]:
    from dbyard import catalogue

    return [version for technology in catalogue.load().technologies.values() for version in technology.versions]


def _parse(text: str) -> Version:
    from dbyard import catalogue
    from dbyard.errors import Invalid

    technology, _, version = text.partition("@")
    try:
        return catalogue.load().version(technology, version or None)
    except Invalid as error:
        raise click.BadParameter(f"{text}: {error}") from error


def _missing() -> list[Version]:
    from dbyard import catalogue, installations

    wanted = [each for each in _versions() if not each.on_request]
    servers = [each for each in wanted if installations.find(each.technology, each.version) is None]
    return servers + [each for each in catalogue.load().tools.values() if installations.tool(each.command) is None]


def _install_all(versions: Sequence[Version]) -> list[str]:
    """All at once: one waits for the network while another unpacks. The errors of those that failed."""
    from concurrent.futures import ThreadPoolExecutor

    from dbyard import installations

    with ThreadPoolExecutor(max_workers=len(versions)) as pool:
        futures = [pool.submit(installations.install, version, click.echo) for version in versions]
        try:
            return [str(error) for future in futures if (error := future.exception())]
        except KeyboardInterrupt:
            os._exit(130)  # without waiting for the others: what an install leaves behind, the next one removes


def _row(version: Version) -> dict[str, object]:
    from dbyard import installations

    found = installations.find(version.technology, version.version)
    return {
        "technology": version.technology,
        "version": version.version,
        "full_version": found.full_version if found else None,
        "default": version.default,
        "server": version.server,
        "licence": version.licence,
        "path": str(found.bin) if found else None,
        "source": found.source if found else None,
        "install": None if found else _command(version),
    }


def _command(version: Version) -> str:
    return f"dbyard engines install {version.technology}{'' if version.default else f'@{version.version}'}"


def _table(rows: Sequence[dict[str, object]]) -> str:
    lines = [
        [column.replace("_", " ").upper() for column in _COLUMNS],
        *([_cell(row, each) for each in _COLUMNS] for row in rows),
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _cell(row: dict[str, object], column: str) -> str:
    if column == "path" and row["path"] is None:
        return f"missing: {row['install']}"
    if column == "default":
        return "yes" if row["default"] else ""
    return str(row[column] or "-")
