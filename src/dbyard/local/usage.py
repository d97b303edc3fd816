"""The users of an installed server: processes of this machine, and databases of its homes.

Homes are found by their claimed ports; a home without a claim has no database. Homes that claim their ports elsewhere
(another user's directory, a container) are not found, but their running servers are.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from dbyard import installations
from dbyard.model import Installation, default_home, engines_home
from dbyard.runtimes.local import ports
from dbyard.store import instances, open_readonly

_PROC_FILES = ("cmdline", "environ", "maps")
_SHOWN = 5


def users_of(installation: Installation) -> list[str]:
    """A phrase for each user, the first few of them; empty if no user is known."""
    found = [*_databases(installation), *_processes(installation)]
    more = len(found) - _SHOWN
    return found if more <= 0 else [*found[:_SHOWN], f"{more} more"]


def _databases(installation: Installation) -> Iterator[str]:
    for home in sorted({*ports.claiming_homes(), default_home()}):
        path = home / "state" / "dbyard.db"
        try:
            if path.exists() and _has_servers_here(home):
                with open_readonly(path) as connection:
                    rows = instances.list_servers(connection)
                yield from (f"the database {name} of {home}" for name, *server in rows if _is(installation, server))
        except (OSError, sqlite3.Error) as error:
            yield f"possibly a database of {home}, whose state cannot be read ({error})"


def _has_servers_here(home: Path) -> bool:
    """A platform records DBYARD_ENGINES in its home; without a record its servers may be here."""
    note = home / "engines"
    return not note.exists() or Path(note.read_text().strip()) in (Path(), engines_home())


def _is(installation: Installation, server: list[str]) -> bool:
    """Whether this database would start with it."""
    found = installations.find(*server)
    return found is not None and found.root == installation.root


def _processes(installation: Installation) -> Iterator[str]:
    """Processes with the installation's path in their arguments, environment or mapped files."""
    root = os.fsencode(f"{installation.root}/")
    own = os.getpid()
    for pid in sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit() and int(entry) != own):
        if any(root in _read(Path(f"/proc/{pid}/{name}")) for name in _PROC_FILES):
            yield f"process {pid} ({_read(Path(f'/proc/{pid}/comm')).decode(errors='replace').strip()})"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # the process has ended, or belongs to another user
