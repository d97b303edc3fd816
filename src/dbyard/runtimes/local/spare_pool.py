"""The spares of a home, each of which is given away by one rename.

spares/KIND-ID/   prepared: its server was never started; or, where the kind begins with `running-`, it runs
spares/.ID/       unfinished
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dbyard.model import Allocation, InstanceSpec, Placement, Release
from dbyard.runtimes import Spare, kind_of_spare
from dbyard.runtimes.local import directories, members, places, processes, slots, starts
from dbyard.runtimes.local.home import SPARE, Home

_RUNNING = "running-"


class LocalSparePool:
    def __init__(self, home: Home) -> None:
        self._home = home

    def new_spare(self) -> tuple[str, Allocation]:
        spare_id = f"{SPARE}{secrets.token_hex(12)}"
        slot = places.build(self._home, spare_id)
        return spare_id, Allocation(slot.placement, slot.lineage)

    def prepare(self, spec: InstanceSpec, placement: Placement, release: Release) -> None:  # noqa: ARG002
        home, directory = self._home, self._home.directory(spec.id)
        slot = starts.require_slot(home, spec.id)
        box = starts.enter(home, directory, spec, slot, home.installation(release), nice=10)
        starts.initialise(home, box, spec)
        members.kill(home, spec.id)
        if home.cgroups:
            home.cgroups.remove(spec.id)  # the instance that it becomes gets a group of its own
        directories.empty(directory / "run")
        add(home, spec.id, kind_of_spare(release))

    def offer(self, spare_id: str, kind: str) -> None:
        # The server stays in this group when the spare becomes an instance.
        directories.write_group(self._home.directory(spare_id), spare_id)
        self._home.changed(spare_id)
        self._home.watcher.remove(spare_id)  # it gets another name
        add(self._home, spare_id, kind)

    def discard(self, spare_id: str) -> None:
        self._home.watcher.remove(spare_id)
        if withdraw(self._home, spare_id):
            places.remove(self._home, spare_id)

    def kill(self, spare_id: str) -> None:
        """Kill the server of a running spare; its files stay where nothing can be removed."""
        for path in (self._home.path / "spares").glob(f"[!.]*-{spare_id.removeprefix(SPARE)}"):
            if slot := slots.read(path):
                members.kill_once(processes.list_of_uid(slot.uid))

    def count(self, release: Release) -> int:
        return sum(spare.kind == kind_of_spare(release) for spare in self.list(running=False))

    def list(self, *, running: bool) -> Sequence[Spare]:
        return [_spare(path) for path in _paths(self._home) if _runs(_kind(path)) == running]

    def may_run(self) -> bool:
        # Its sandbox has its files by what they are, not by where they are; without root, its environment names it.
        return self._home.bubblewrap is not None and os.geteuid() == 0


def add(home: Home, spare_id: str, kind: str) -> None:
    """From now on the spare can be claimed."""
    home.directory(spare_id).rename(home.path / "spares" / f"{kind}-{spare_id.removeprefix(SPARE)}")


def claim(home: Home, kinds: Iterable[str], directory: Path) -> bool:
    """Make a spare of the first kind that there is the instance's directory; one whose server has died is left out.

    Killed at any moment it has happened or it has not.
    """
    paths = list(_paths(home))
    for path in (path for kind in kinds for path in paths if _kind(path) == kind):
        if _runs(_kind(path)) and not _spare(path).alive:
            continue
        try:
            path.rename(directory)
        except FileNotFoundError:
            continue  # another create was quicker
        return True
    return False


def withdraw(home: Home, spare_id: str) -> bool:
    """From now on the spare cannot be claimed; False when it is not there: a create was quicker."""
    unfinished = home.directory(spare_id)
    if unfinished.is_dir():
        return True
    for path in (home.path / "spares").glob(f"[!.]*-{spare_id.removeprefix(SPARE)}"):
        try:
            path.rename(unfinished)
        except FileNotFoundError:
            return False
        return True
    return False


def _paths(home: Home) -> Iterator[Path]:
    return iter(sorted((home.path / "spares").glob("[!.]*")))


def _kind(path: Path) -> str:
    return path.name.rpartition("-")[0]


def _runs(kind: str) -> bool:
    return kind.startswith(_RUNNING)


def _spare(path: Path) -> Spare:
    kind, _, number = path.name.rpartition("-")
    alive = _runs(kind) and processes.find_recorded(directories.read_json(path / members.SERVER)) is not None
    return Spare(SPARE + number, kind, alive)
