"""Who uses an installed server: processes of this machine, and databases of the homes that it knows.

A home is known by its claims on ports; one that nobody has placed a server in has no database either. Not seen are
homes that claim their ports elsewhere (another user's own place, a container), unless a server of theirs runs.
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

_TOLD = ("cmdline", "environ", "maps")
_SHOWN = 5


def users_of(installation: Installation) -> list[str]:
    """Each in words for people, the first few of them; empty when nobody is known to use it."""
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
            yield f"perhaps a database of {home}, whose state cannot be read ({error})"


def _has_servers_here(home: Path) -> bool:
    """A platform notes in its home where its servers are; without a note they may be here."""
    note = home / "engines"
    return not note.exists() or Path(note.read_text().strip()) in (Path(), engines_home())


def _is(installation: Installation, server: list[str]) -> bool:
    """Whether this database would be started with it."""
    found = installations.find(*server)
    return found is not None and found.root == installation.root


def _processes(installation: Installation) -> Iterator[str]:
    """A server may show its place in its argv, in what it has mapped, or in its environment alone."""
    place = os.fsencode(f"{installation.root}/")
    own = os.getpid()
    for pid in sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit() and int(entry) != own):
        if any(place in _read(Path(f"/proc/{pid}/{name}")) for name in _TOLD):
            yield f"process {pid} ({_read(Path(f'/proc/{pid}/comm')).decode(errors='replace').strip()})"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # it has ended, or it is somebody else's
