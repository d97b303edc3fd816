"""The finished spares of a home, each of which is claimed by one rename.

spares/KIND-ID/   prepared: its server was never started; or, where the kind begins with `running-`, it runs
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dbyard.runtimes import Spare
from dbyard.runtimes.local import directories, processes

PREFIX = "spare-"
"""Of the ids of spares."""
_RUNNING = "running-"


@dataclass(frozen=True, slots=True)
class Shelf:
    place: Path

    def unfinished(self, spare_id: str) -> Path:
        return self.place / f".{spare_id}"

    def list_all(self, *, running: bool) -> list[Spare]:
        return [_spare(path) for path in self._paths() if path.name.startswith(_RUNNING) == running]

    def put(self, spare_id: str, kind: str) -> None:
        """From now on the spare can be claimed."""
        self.unfinished(spare_id).rename(self._finished(spare_id, kind))

    def claim(self, kinds: Iterable[str], directory: Path) -> Spare | None:
        """Make a spare of the first kind that there is the instance's directory; one whose server has died is no use.

        Killed at any moment it has happened or it has not.
        """
        spares = [_spare(path) for path in self._paths()]
        for spare in (spare for kind in kinds for spare in spares if spare.kind == kind):
            if kind_runs(spare.kind) and not spare.alive:
                continue
            try:
                self._finished(spare.id, spare.kind).rename(directory)
            except FileNotFoundError:
                continue  # another create was quicker
            return spare
        return None

    def take_down(self, spare_id: str) -> bool:
        """Nobody can claim the spare any more; False when it is not there: somebody was quicker."""
        if self.unfinished(spare_id).is_dir():
            return True
        for spare in (_spare(path) for path in self._paths()):
            if spare.id == spare_id:
                try:
                    self._finished(spare_id, spare.kind).rename(self.unfinished(spare_id))
                except FileNotFoundError:
                    return False
                return True
        return False

    def _finished(self, spare_id: str, kind: str) -> Path:
        return self.place / f"{kind}-{spare_id.removeprefix(PREFIX)}"

    def _paths(self) -> Iterator[Path]:
        return (path for path in sorted(self.place.glob("[!.]*")))


def kind_runs(kind: str) -> bool:
    return kind.startswith(_RUNNING)


def _spare(path: Path) -> Spare:
    kind, _, spare_id = path.name.rpartition("-")
    alive = kind_runs(kind) and processes.find_recorded(directories.read_json(path / "process.json")) is not None
    return Spare(PREFIX + spare_id, kind, alive)
