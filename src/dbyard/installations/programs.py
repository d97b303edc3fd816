"""Running the programs that download and unpack, and telling a person what to do when one fails."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from dbyard.errors import InstallationError

T = TypeVar("T")
Report = Callable[[str], None]
_COMPLAINTS = 3


def run(argv: Sequence[str | Path], cwd: Path | None = None) -> str:
    """What the program prints; InstallationError carries the last lines of its complaints."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(argv, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except OSError as error:
        raise InstallationError(f"{argv[0]} cannot be run: {error.strerror}") from error
    if done.returncode != 0:
        raise InstallationError(f"{Path(argv[0]).name} failed: {_complaints(done.stderr or done.stdout)}")
    return done.stdout


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


def _complaints(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("E:", "ERROR:"))] or lines
    return " / ".join(errors[-_COMPLAINTS:]) or "it gave no reason"
