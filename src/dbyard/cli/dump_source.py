"""Where `dbyard import` gets a dump from: a file, standard input, or a server that is dumped here, by its own tools.

The platform connects to nobody whom a client names; this machine, on which the command runs, does.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit

import click

from dbyard.cli.connect import Program, environment_of, find_program

if TYPE_CHECKING:
    from dbyard import wire

_PIECE = 1 << 18
_TECHNOLOGIES = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "redis": "redis",
    "rediss": "redis",
}
_PORTS = {"postgresql": 5432, "mysql": 3306, "redis": 6379}


@dataclass(frozen=True)
class Dump:
    """A dump as it comes, and how many bytes it has, where that is known."""

    pieces: Iterator[bytes]
    size: int | None


@contextmanager
def open_dump(source: str, type_name: str, version: str) -> Iterator[Dump]:
    """`source` is a path, `-`, or a URI; the other two name the server that is to have it.

    Raises ClickException where it cannot be opened; the pieces do where a program that dumps fails.
    """
    if "://" in source:
        with _dump(source, type_name, version) as pieces:
            yield Dump(pieces, None)
        return
    with _open(source) as file:
        yield Dump(_pieces(file), _size(file))


def parse_uri(uri: str) -> tuple[str, wire.Connection]:
    """The technology of a URI, and how to log in there. Raises UsageError."""
    from dbyard import wire

    parts = urlsplit(uri)
    technology = _TECHNOLOGIES.get(parts.scheme.partition("+")[0])
    try:
        port = parts.port
    except ValueError as error:
        raise click.UsageError(f"--from: {error}") from error
    if technology is None or not parts.hostname:
        known = ", ".join(_TECHNOLOGIES)
        raise click.UsageError(f"--from: a URI should be as SCHEME://USER:PASSWORD@HOST/DATABASE, of {known}")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    url = parts._replace(scheme="rediss" if parts.scheme == "rediss" else technology).geturl()
    port = port or _PORTS[technology]
    return technology, wire.Connection(url, parts.hostname, port, user, password, unquote(parts.path[1:]), "")


def _open(source: str) -> BinaryIO:
    if source == "-":
        return sys.stdin.buffer
    try:
        return Path(source).open("rb")
    except OSError as error:
        raise click.UsageError(f"--from: {source}: {error.strerror}") from error


@contextmanager
def _dump(uri: str, type_name: str, version: str) -> Iterator[Iterator[bytes]]:
    technology, login = parse_uri(uri)
    program = find_program(technology, type_name, version, dumps=True)
    if program is None:
        raise click.ClickException(
            f"no program that dumps {technology} is installed here: dump it where there is one, and import the file"
        )
    with tempfile.TemporaryDirectory(prefix="dbyard-import-") as directory, tempfile.TemporaryFile() as said:
        path = Path(directory) / "dump" if program.client.DUMPS_TO_A_FILE else None
        arguments = program.client.dump_arguments(login, program.path.name, str(path) if path else "")
        argv = [*program.prefix, str(program.path), *arguments]
        output = subprocess.PIPE if path is None else subprocess.DEVNULL
        environment = environment_of(program, login)
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=said, env=environment) as process:
            try:
                yield _dumped(process, program, path, said)
            finally:
                process.kill()


def _dumped(process: subprocess.Popen[bytes], program: Program, path: Path | None, said: BinaryIO) -> Iterator[bytes]:
    """What ends before its program said that all is there is never sent as a whole."""
    if process.stdout is not None:
        yield from _pieces(process.stdout)
    if process.wait() != 0:
        said.seek(0)
        text = said.read(4000).decode("utf-8", "replace").strip()
        raise click.ClickException(f"{program.path.name} failed, and nothing was changed: {text}")
    if path is not None:
        with path.open("rb") as file:
            yield from _pieces(file)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


def _size(file: BinaryIO) -> int | None:
    """What is left of a file; None for a pipe."""
    try:
        told = os.fstat(file.fileno())
    except OSError:
        return None
    return told.st_size - file.tell() if stat.S_ISREG(told.st_mode) else None
