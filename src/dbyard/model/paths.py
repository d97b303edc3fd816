"""Where things live on a machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Region:
    """The one region that a platform is: what it is called, and the URL at which clients reach it (no final slash)."""

    name: str
    url: str


def engines_home() -> Path:
    """The one place per machine where database servers are installed, shared by all homes (`DBYARD_ENGINES`)."""
    return _machine_place("DBYARD_ENGINES", "engines")


def default_home() -> Path:
    """Where the state of a platform lives when nobody says otherwise (`DBYARD_HOME`)."""
    return _machine_place("DBYARD_HOME", "home")


def _machine_place(variable: str, name: str) -> Path:
    chosen = os.environ.get(variable)
    if chosen:
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/dbyard") / name
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "dbyard" / name
