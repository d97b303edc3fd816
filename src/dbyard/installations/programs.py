"""Running the programs that download and unpack, and telling a person what to do when one fails."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from dbyard.errors import InstallationError

T = TypeVar("T")
Report = Callable[[str], None]
_COMPLAINTS = 3
_ERRORS = ("E:", "ERROR:", "[ERROR] Failed")


def run(argv: Sequence[str | Path], cwd: Path | None = None, seen: Report = lambda _: None) -> str:
    """What the program prints, each line `seen` at once; InstallationError carries the last lines of its complaints."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    printed: list[str] = []
    with tempfile.TemporaryFile("w+", errors="replace") as complaints:
        try:
            process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise InstallationError(f"{argv[0]} cannot be run: {error.strerror}") from error
        with process:
            for line in process.stdout or ():
                printed.append(line)
                seen(line.rstrip("\n"))
        complaints.seek(0)
        output = "".join(printed)
        if process.returncode != 0:
            name = Path(next(str(part) for part in argv if part != "env" and "=" not in str(part))).name
            raise InstallationError(f"{name} failed: {_complaints(complaints.read(), output)}")
    return output


def twice(attempt: Callable[[], T], what: str, report: Report) -> T:
    """Networks fail for a moment: one more attempt, then an error that says what to do."""
    try:
        return attempt()
    except InstallationError as error:
        report(f"{what}: {error}; trying once more")
    try:
        return attempt()
    except InstallationError as error:
        advice = "check the network, the proxy and the package sources of this machine, then run the same command again"
        raise InstallationError(f"{what} could not be downloaded: {error}. To go on, {advice}.") from error


def _complaints(complaints: str, output: str) -> str:
    """The lines that apt, pip or Maven mark as errors, wherever they print them; else the last ones."""
    marked = [line for text in (complaints, output) for line in _lines(text) if line.startswith(_ERRORS)]
    lines = marked or _lines(complaints) or _lines(output)
    return " / ".join(lines[-_COMPLAINTS:]) or "it gave no reason"


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
