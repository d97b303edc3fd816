"""connect: replace this process by the technology's own client program."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from dbyard import engines
from dbyard.cli.session import session
from dbyard.roots import enter_with_all_else

if TYPE_CHECKING:
    from dbyard import wire
    from dbyard.engines import Client


_PAGERS = ("PAGER", "PSQL_PAGER")


@dataclass(frozen=True)
class Program:
    """A client program, the libraries that it needs, and what must stand in front of it."""

    client: Client
    path: Path
    libraries: tuple[Path, ...] = ()
    prefix: tuple[str, ...] = ()


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("database")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def connect(database: str, arguments: tuple[str, ...]) -> None:
    """Open psql, mariadb or redis-cli on a database.

    All arguments after DATABASE go to that program: `dbyard connect my-db -c 'SELECT 1'`. It is the one of the server's
    own installation; where that is not on this machine, one on PATH, then one of another installation.
    """
    with session() as client:
        connection, details = client.get_connection(database), client.get_details(database)
    technology = _technology(connection)
    program = find_program(technology, details.type_name, details.readable_version)
    if program is None:
        raise click.ClickException(_without_program(technology, connection))
    argv = [*program.prefix, str(program.path), *program.client.client_arguments(connection), *arguments]
    sys.stdout.flush()
    os.execve(argv[0], argv, environment_of(program, connection))  # noqa: S606


def find_program(technology: str, type_name: str = "", version: str = "", *, dumps: bool = False) -> Program | None:
    """The client program of a `technology` (its protocol) for a server of this type and full version.

    With `dumps` the one that dumps a server.
    """
    client = engines.load_client(technology)
    if client is None:
        return None
    there = [each for slug in dict.fromkeys((type_name, technology)) for each in _installations(slug)]
    own = [each for each in there if each.version == version.partition(" ")[0]]
    names = client.DUMP_PROGRAMS if dumps else client.PROGRAMS
    return _find_installed(client, names, own) or _find_on_path(client, names) or _find_installed(client, names, there)


def _find_on_path(client: Client, names: Sequence[str]) -> Program | None:
    found = next(filter(None, map(shutil.which, names)), None)
    return Program(client, Path(found)) if found else None


def _find_installed(client: Client, names: Sequence[str], installed: Sequence[_Installation]) -> Program | None:
    """In the first one that has it."""
    for each in installed:
        for name in names:
            if os.access(each.bin / name, os.X_OK):
                return Program(client, each.bin / name, each.libraries, each.prefix)
    return None


def _technology(connection: wire.Connection) -> str:
    scheme = urlsplit(connection.url).scheme
    return {"rediss": "redis"}.get(scheme, scheme)


def _without_program(technology: str, connection: wire.Connection) -> str:
    """The error message. The URL still goes to stdout, for another client."""
    click.echo(connection.url)
    client = engines.load_client(technology)
    if client is None:
        return f"dbyard knows no client program for {technology}; use the URL above with your own"
    program = client.PROGRAMS[0]
    return f"{program} is not installed: run `dbyard engines install {technology}`, or use the URL above"


@dataclass(frozen=True)
class _Installation:
    version: str
    bin: Path
    libraries: tuple[Path, ...]
    prefix: tuple[str, ...] = ()


def _installations(technology: str) -> list[_Installation]:
    """Those that this machine can run, newest version first."""
    from dbyard.model import engines_home

    manifests = (engines_home() / technology).glob("*/installation.json") if technology else ()
    newest_first = sorted(manifests, key=lambda path: _version(path.parent.name), reverse=True)
    return [found for path in newest_first if (found := _read_manifest(path))]


def _version(text: str) -> list[int]:
    return [int(part) for part in text.replace("-", ".").split(".") if part.isdigit()]


def _read_manifest(path: Path) -> _Installation | None:
    """None if it is incomplete, was written by another release of dbyard, or needs bubblewrap, which is not there."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        root = path.parent
        libraries = tuple(root / each for each in manifest["libraries"])
        prefix = enter_with_all_else(_bubblewrap(), root) if manifest.get("whole", False) else ()
        return _Installation(manifest["full_version"], root / manifest["bin"], libraries, tuple(prefix))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _bubblewrap() -> Path:
    """Raises FileNotFoundError."""
    from dbyard.model import engines_home

    managed = sorted((engines_home() / "bubblewrap").glob("*/bin/bwrap"))
    found = shutil.which("bwrap") or next(iter(managed), None)
    if found is None:
        raise FileNotFoundError("bwrap")
    return Path(found)


def environment_of(program: Program, connection: wire.Connection) -> dict[str, str]:
    environment = {**os.environ, program.client.PASSWORD_VARIABLE: connection.password}
    if program.prefix:  # a whole root has no pager but `more`, which psql takes by itself
        environment = {name: value for name, value in environment.items() if name not in _PAGERS}
    if program.libraries:
        environment["LD_LIBRARY_PATH"] = _joined(program.libraries, os.environ.get("LD_LIBRARY_PATH"))
    return environment


def _joined(libraries: Sequence[Path], inherited: str | None) -> str:
    return ":".join([*map(str, libraries), *([inherited] if inherited else [])])
