"""connect: hand the terminal over to the technology's own client program."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import click

from dbyard.cli.session import session

if TYPE_CHECKING:
    from dbyard import wire


@dataclass(frozen=True)
class Program:
    """An executable and what its environment needs to start it."""

    path: Path
    libraries: tuple[Path, ...] = ()


@click.command(context_settings={"allow_interspersed_args": False})
@click.argument("database")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def connect(database: str, arguments: tuple[str, ...]) -> None:
    """Open psql, mariadb or redis-cli on a database.

    Whatever follows DATABASE goes to that program: `dbyard connect my-db -c 'SELECT 1'`. The program is looked for on
    PATH, then among the servers that `dbyard engines install` put on this machine.
    """
    with session() as client:
        connection = client.get_connection(database)
    technology = _technology(connection)
    program = find_program(technology)
    if program is None:
        raise click.ClickException(_without_program(technology, connection))
    argv = [str(program.path), *client_arguments(technology, connection), *arguments]
    sys.stdout.flush()
    os.execve(argv[0], argv, _environment(program, technology, connection))  # noqa: S606


def find_program(technology: str) -> Program | None:
    """The technology's client on PATH, else in the newest installation that has one."""
    names = _PROGRAMS.get(technology, ())
    for name in names:
        if found := shutil.which(name):
            return Program(Path(found))
    for place, libraries in _installations(technology):
        for name in names:
            if os.access(place / name, os.X_OK):
                return Program(place / name, libraries)
    return None


def client_arguments(technology: str, connection: wire.Connection) -> list[str]:
    """What a technology's client takes to get to a database; its password goes by the environment."""
    host, port, user, name = connection.host, str(connection.port), connection.user, connection.database
    if technology == "postgresql":
        return [_without_password(connection)]
    if technology == "mysql":
        # A password in somebody's option files would win over the one in the environment.
        return ["--no-defaults", "--protocol=tcp", f"--host={host}", f"--port={port}", f"--user={user}", name]
    tls = ["--tls"] if connection.url.startswith("rediss:") else []
    return ["-h", host, "-p", port, "--user", user, "-n", name, *tls]


_PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "postgresql": ("psql",),
    "mysql": ("mariadb", "mysql"),
    "redis": ("redis-cli",),
}
_PASSWORDS: Mapping[str, str] = {"postgresql": "PGPASSWORD", "mysql": "MYSQL_PWD", "redis": "REDISCLI_AUTH"}


def _technology(connection: wire.Connection) -> str:
    scheme = urlsplit(connection.url).scheme
    return {"rediss": "redis"}.get(scheme, scheme)


def _without_program(technology: str, connection: wire.Connection) -> str:
    """The URL still goes to stdout: another client takes it."""
    click.echo(connection.url)
    names = _PROGRAMS.get(technology)
    if not names:
        return f"dbyard knows no client program of {technology}; the URL above is for yours"
    return f"{names[0]} is not on this machine: `dbyard engines install {technology}` brings it; or use the URL above"


def _installations(technology: str) -> list[tuple[Path, tuple[Path, ...]]]:
    """Directories of programs with the libraries that they need, newest version first."""
    from dbyard.model import engines_home

    manifests = (engines_home() / technology).glob("*/installation.json")
    newest_first = sorted(manifests, key=lambda path: _version(path.parent.name), reverse=True)
    return [found for path in newest_first if (found := _read_manifest(path))]


def _version(text: str) -> list[int]:
    return [int(part) for part in text.replace("-", ".").split(".") if part.isdigit()]


def _read_manifest(path: Path) -> tuple[Path, tuple[Path, ...]] | None:
    """None for what an installation in the making, or of another release of dbyard, left there."""
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        root = path.parent
        return root / manifest["bin"], tuple(root / each for each in manifest["libraries"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _environment(program: Program, technology: str, connection: wire.Connection) -> dict[str, str]:
    environment = {**os.environ, _PASSWORDS[technology]: connection.password}
    if program.libraries:
        environment["LD_LIBRARY_PATH"] = _joined(program.libraries, os.environ.get("LD_LIBRARY_PATH"))
    return environment


def _joined(libraries: Sequence[Path], inherited: str | None) -> str:
    return ":".join([*map(str, libraries), *([inherited] if inherited else [])])


def _without_password(connection: wire.Connection) -> str:
    parts = urlsplit(connection.url)
    place = f"[{connection.host}]" if ":" in connection.host else connection.host
    return parts._replace(netloc=f"{quote(connection.user, safe='')}@{place}:{connection.port}").geturl()
