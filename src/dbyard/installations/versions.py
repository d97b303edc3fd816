"""The full version that a server prints, and how it compares with what the catalogue names."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from dbyard.errors import InstallationError
from dbyard.installations import prefix
from dbyard.model import Version
from dbyard.recipes import DebianRootRecipe

PROBE_UID = 222222
_TIMEOUT = 30.0


def ask_version(program: Path, argument: str, libraries: Sequence[Path] = (), entering: Sequence[str] = ()) -> str:
    """What it prints, run as an unprivileged uid, as servers run; `entering` stands in front of one of a whole root.

    Raises InstallationError when it does not run on this machine.
    """
    environment = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    if libraries:
        environment["LD_LIBRARY_PATH"] = ":".join(map(str, libraries))
    uid = PROBE_UID if os.geteuid() == 0 and not entering and prefix.is_searchable(Path("/")) else None
    try:
        done = subprocess.run(
            [*entering, program, argument],
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            user=uid,
            group=uid,
            extra_groups=None if uid is None else [],
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InstallationError(f"{program} does not run on this machine: {error}") from error
    found = re.search(r"\d+(\.\d+)+", done.stdout.replace(str(program), ""))
    if done.returncode != 0 or found is None:
        raise InstallationError(f"{program} does not run on this machine: {(done.stderr or done.stdout).strip()}")
    return found.group()


def matches(version: Version, full: str) -> bool:
    return full.startswith(f"{version.version}.")


def follows(version: Version, full: str) -> bool:
    """Whether it is what a release of Debian that moves on has instead: newer, with the same first number."""
    is_rolling = isinstance(version.recipe, DebianRootRecipe) and version.recipe.rolling
    wanted, found = version_key(version.version), version_key(full)
    return is_rolling and wanted[0] == found[0] and wanted < found


def version_key(full: str) -> tuple[int, ...]:
    """Greater for a newer version."""
    return tuple(int(part) for part in re.findall(r"\d+", full))
