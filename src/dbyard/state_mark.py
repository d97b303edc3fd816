"""How far the state of a home has come, noted beside it: an older state that was put back is noticed.

The note is the last event, by its number and its hash. It may be a moment behind the state, never ahead of it.
"""

from __future__ import annotations

from pathlib import Path

from dbyard.runtimes.local import directories
from dbyard.store import Store, events

_FILE = "state-mark"


def is_behind(home: Path, store: Store) -> bool:
    """Whether the state lacks an event that the home has seen: it is older, or another one."""
    noted = directories.read_json(home / _FILE)
    if noted is None:
        return False
    with store.read() as connection:
        return events.hash_of(connection, int(str(noted["seq"]))) != noted["hash"]


def note(home: Path, store: Store) -> None:
    """Repeating is cheap while nothing has happened."""
    seq, head = store.cached("head of the events", events.head)
    if (directories.read_json(home / _FILE) or {}).get("hash") != head:
        directories.write_json(home / _FILE, {"seq": seq, "hash": head}, durable=False)
