"""Runs the programs that download and unpack; errors say what to do next."""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from dbyard.errors import InstallationError

T = TypeVar("T")
Report = Callable[[str], None]
_WATCH_SECONDS = 2.0
_SHOWN_ERRORS = 3
_ERROR_MARKS = ("E:", "ERROR:", "[ERROR] Failed")


def run(
    argv: Sequence[str | Path],
    cwd: Path | None = None,
    on_line: Report = lambda _: None,
    watch: Callable[[], object] = lambda: None,
) -> str:
    """The program's output; `on_line` gets each line at once. InstallationError has the last lines of its errors.

    `watch` is called every few seconds; if it raises InstallationError, the program is killed and that is raised.
    """
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    printed: list[str] = []
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        try:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise InstallationError(f"{argv[0]} cannot be run: {error.strerror}") from error
        with process, _watched(process, watch):
            for line in process.stdout or ():
                printed.append(line)
                on_line(line.rstrip("\n"))
        errors.seek(0)
        output = "".join(printed)
        if process.returncode != 0:
            name = Path(next(str(part) for part in argv if part != "env" and "=" not in str(part))).name
            raise InstallationError(f"{name} failed: {_error_lines(errors.read(), output)}")
    return output


@contextmanager
def _watched(process: subprocess.Popen[str], watch: Callable[[], object]) -> Iterator[None]:
    ended, reasons = threading.Event(), list[InstallationError]()

    def go_on() -> None:
        while not ended.wait(_WATCH_SECONDS):
            try:
                watch()
            except InstallationError as error:
                reasons.append(error)
                process.kill()
                return

    thread = threading.Thread(target=go_on, name="watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if reasons:
        raise reasons[0]


def retry_once(attempt: Callable[[], T], what: str, report: Report) -> T:
    """Try again once, because network errors are often short; then raise an error that says what to do."""
    try:
        return attempt()
    except InstallationError as error:
        report(f"{what}: {error}; retrying once")
    try:
        return attempt()
    except InstallationError as error:
        advice = "check the network, the proxy and the package sources of this machine, then run the same command again"
        raise InstallationError(f"{what} could not be downloaded: {error}. To continue, {advice}.") from error


def _error_lines(errors: str, output: str) -> str:
    """The lines that apt, pip or Maven mark as errors, in either output; else the last lines."""
    marked = [line for text in (errors, output) for line in _lines(text) if line.startswith(_ERROR_MARKS)]
    lines = marked or _lines(errors) or _lines(output)
    return " / ".join(lines[-_SHOWN_ERRORS:]) or "it gave no reason"


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
