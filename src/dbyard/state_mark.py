"""How far the state of a home has come, noted beside it: an older state that was put back is noticed.

The note is the last event, by its number and its hash. It may be a moment behind the state, never ahead of it.
"""

from __future__ import annotations

from pathlib import Path

from dbyard.errors import ConfigError
from dbyard.runtimes.local import directories
from dbyard.store import Store, events

_FILE = "state-mark"


def check(home: Path, store: Store) -> None:
    """Raises ConfigError for a state that lacks an event which the home has seen: it is older, or another one."""
    noted = directories.read_json(home / _FILE)
    if noted is None or is_accepted(home):
        return
    with store.read() as connection:
        found = events.hash_of(connection, int(str(noted["seq"])))
    if found != noted["hash"]:
        raise ConfigError(
            f"the state of {home} is older than its servers: run `dbyard state rebuild`, which brings it to what lies"
            " beside them and leaves them alone, or `dbyard state accept`, and they are brought to what it says (older"
            " passwords and plans; servers that it does not know are stopped, and kept); nothing was changed"
        )


def accept(home: Path) -> None:
    """Its owner knows that the state is older, and wants what it tells."""
    directories.write_json(home / _FILE, {"accepted": True}, durable=True)


def is_accepted(home: Path) -> bool:
    return "accepted" in (directories.read_json(home / _FILE) or {})


def forget(home: Path) -> None:
    """The state is as its servers are, whatever the home has seen before."""
    (home / _FILE).unlink(missing_ok=True)


def note(home: Path, store: Store) -> None:
    """Repeating is cheap while nothing has happened."""
    seq, head = store.cached("head of the events", events.head)
    if (directories.read_json(home / _FILE) or {}).get("hash") != head:
        directories.write_json(home / _FILE, {"seq": seq, "hash": head}, durable=False)
