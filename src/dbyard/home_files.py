"""The files of a home that belong together: a home in which one is missing is refused, not completed."""

from __future__ import annotations

from pathlib import Path

from dbyard.errors import ConfigError


def check(home: Path) -> None:
    """Raises ConfigError, with what to do, where a new file would take the place of one that is needed.

    A first start that was killed left no such home: it makes the state first, then the key and the authority, and the
    token last.
    """
    state = home / "state" / "dbyard.db"
    instances = sorted((home / "instances").glob("[!.]*"))
    if not state.exists() or not state.stat().st_size:
        kept = [name for name in ("master.key", "admin-token") if (home / name).exists()]
        if instances or kept:
            what = f"{len(instances)} instances" if instances else " and ".join(kept)
            raise ConfigError(
                f"the home {home} has {what} and no state/dbyard.db: put that file back from a backup (dbyard state"
                " restore), rebuild it from what lies beside the servers (dbyard state rebuild), or make a lost machine"
                " again (dbyard state recover); to begin anew name an empty directory with --home; nothing was changed"
            )
        return
    for name in ("master.key", "ca/ca.key", "ca/ca.crt"):
        if not (home / name).exists() and (instances or (home / "admin-token").exists()):
            raise ConfigError(
                f"the home {home} was used and has no {name}: put that file back from a backup; without it no password"
                " can be read, or no certificate is trusted any more; nothing was changed"
            )
