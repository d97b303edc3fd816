"""quickstart: run the platform in the foreground with an example database and show that it answers a query."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dbyard import wire
    from dbyard.client import Client

_EXAMPLE = "my-postgres-db"
_TECHNOLOGY = "postgresql"
_PLAN = "postgresql-starter-512"
_TIMEOUT = 150.0
_GRACE = 15.0
"""Seconds for the platform to stop; it needs five."""


@click.command()
@click.option("--home", type=click.Path(path_type=Path), required=True, help="Where the platform keeps its state.")
@click.option(
    "--listen", default="127.0.0.1:7878", show_default=True, metavar="HOST:PORT", help="Address of the HTTP API."
)
def quickstart(home: Path, listen: str) -> None:
    """Run the platform with an example database.

    Starts `dbyard serve`, creates my-postgres-db if it is missing, shows that it answers, and serves until Ctrl-C.
    Databases keep running after that; the next start finds them.
    """
    raise click.exceptions.Exit(_run(home, listen))


def _run(home: Path, listen: str) -> int:
    """The exit code: 0 if a signal ended it, else that of the platform."""
    with _signals_interrupt():
        platform = _start(home, listen)
        try:
            _serve(platform, home)
            return _exit_code(platform.wait())
        except KeyboardInterrupt:
            _say("Stopping the platform; the databases keep running")
            return 0
        finally:
            _end(platform)


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """SIGTERM and SIGINT raise KeyboardInterrupt, even if a shell started this process with SIGINT ignored."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start(home: Path, listen: str) -> subprocess.Popen[str]:
    """Start the platform in this process group, so that Ctrl-C reaches it too, with its output on a pipe."""
    argv = [sys.executable, "-m", "dbyard", "serve", "--home", str(home), "--listen", listen]
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def _serve(platform: subprocess.Popen[str], home: Path) -> None:
    """Show the example as soon as the platform accepts requests. If the example fails, the platform keeps running."""
    from dbyard.errors import DbyardError

    assert platform.stdout is not None  # noqa: S101
    url = _await_url(platform.stdout)
    if url is None:
        return
    threading.Thread(target=_relay, args=(platform.stdout,), daemon=True).start()
    try:
        _show_example(url, home)
    except DbyardError as error:
        click.echo(f"Error: no example database: {error}", err=True)
    if platform.poll() is None:
        _say(f"The platform answers at {url}")
        _say(f"The admin token is in {home / 'admin-token'}")
        _say(
            f"Ctrl-C stops the platform, not the databases; `dbyard stop --home {home}` (`make stop`) stops everything"
        )


def _await_url(output: IO[str]) -> str | None:
    """The URL that the platform announces; None if it ended with an error instead."""
    for line in output:
        _say(line.rstrip("\n"))
        if found := re.search(r"accepts requests on (https?://\S+)", line):
            return _reachable(found[1])
    return None


def _reachable(url: str) -> str:
    """Replace a wildcard address by a loopback address."""
    return url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")


def _relay(output: IO[str]) -> None:
    """Print the platform's output until it ends."""
    for line in output:
        _say(line.rstrip("\n"))


def _show_example(url: str, home: Path) -> None:
    from dbyard.client import Client, wait_usable

    report = _step_reporter()
    with Client(url, _token(home)) as client:
        created = _ensure_example(client)
        connection = wait_usable(client, _EXAMPLE, timeout=_TIMEOUT, report=report)
        if created:
            report(client.list_operations(_EXAMPLE)[-1])
    version = _ask_version(connection.url)
    _say(f"{_EXAMPLE} runs; its connection URI:")
    _say(connection.url)
    _say(f"SELECT version() says: {version}")


def _token(home: Path) -> str:
    from dbyard.errors import ConfigError

    path = home / "admin-token"
    try:
        token = path.read_text(encoding="utf-8").strip() or os.environ.get("DBYARD_TOKEN", "")
    except OSError as error:
        raise ConfigError(f"cannot read the admin token: {error}") from error
    if not token:
        raise ConfigError(f"the first token was revoked, so {path} is empty; set DBYARD_TOKEN to another one")
    return token


def _ensure_example(client: Client) -> bool:
    """Create the example if it is missing; returns whether it was created."""
    from dbyard import wire
    from dbyard.errors import NotFound

    try:
        client.get_database(_EXAMPLE)
    except NotFound:
        _say(f"Creating {_EXAMPLE} ({_PLAN})")
        client.create_database(wire.NewDatabase(name=_EXAMPLE, technology=_TECHNOLOGY, plan=_PLAN))
        return True
    return False


def _step_reporter() -> Callable[[wire.Operation], None]:
    """Reports each step once, with its outcome and the seconds since the operation began."""
    said: set[tuple[str, int]] = set()

    def report(operation: wire.Operation) -> None:
        for number, step in enumerate(operation.steps):
            if (operation.id, number) not in said:
                said.add((operation.id, number))
                seconds = (step.at - operation.created_at).total_seconds()
                words = f"{step.outcome}: {step.message}" if step.message else step.outcome
                _say(f"  {operation.kind}, {step.step}: {words} ({seconds:.2f} s)")

    return report


def _ask_version(url: str) -> str:
    """Retries for 30 seconds: a platform that has just started may not have noticed yet that a server is down."""
    import psycopg

    from dbyard.errors import PermanentError

    deadline = time.monotonic() + 30
    while True:
        try:
            with psycopg.connect(url, connect_timeout=10) as connection:
                (version,) = connection.execute("SELECT version()").fetchone() or ("nothing",)
                return str(version)
        except psycopg.Error as error:
            if not isinstance(error, psycopg.OperationalError) or time.monotonic() > deadline:
                raise PermanentError(f"its URI does not answer: {error}") from error
            time.sleep(0.2)


def _end(platform: subprocess.Popen[str]) -> None:
    """Stop the platform, however this process ends. Further Ctrl-C are ignored here."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    platform.terminate()
    try:
        platform.wait(_GRACE)
    except subprocess.TimeoutExpired:
        platform.kill()
        platform.wait()


def _exit_code(returned: int) -> int:
    """As in a shell: 128 plus the number of the signal that killed the platform."""
    return returned if returned >= 0 else 128 - returned


def _say(line: str) -> None:
    """Print one line and flush it, also if stdout is a file."""
    click.echo(line)
    sys.stdout.flush()
