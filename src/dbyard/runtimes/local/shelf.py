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
        return [_spare(path) for path in self._paths() if _runs(_kind(path)) == running]

    def put(self, spare_id: str, kind: str) -> None:
        """From now on the spare can be claimed."""
        self.unfinished(spare_id).rename(self.place / f"{kind}-{spare_id.removeprefix(PREFIX)}")

    def claim(self, kinds: Iterable[str], directory: Path) -> bool:
        """Make a spare of the first kind that there is the instance's directory; one whose server has died is no use.

        Killed at any moment it has happened or it has not.
        """
        paths = list(self._paths())
        for path in (path for kind in kinds for path in paths if _kind(path) == kind):
            if _runs(_kind(path)) and not _spare(path).alive:
                continue
            try:
                path.rename(directory)
            except FileNotFoundError:
                continue  # another create was quicker
            return True
        return False

    def take_down(self, spare_id: str) -> bool:
        """Nobody can claim the spare any more; False when it is not there: somebody was quicker."""
        if self.unfinished(spare_id).is_dir():
            return True
        for path in self.place.glob(f"[!.]*-{spare_id.removeprefix(PREFIX)}"):
            try:
                path.rename(self.unfinished(spare_id))
            except FileNotFoundError:
                return False
            return True
        return False

    def _paths(self) -> Iterator[Path]:
        return iter(sorted(self.place.glob("[!.]*")))


def _kind(path: Path) -> str:
    return path.name.rpartition("-")[0]


def _runs(kind: str) -> bool:
    return kind.startswith(_RUNNING)


def _spare(path: Path) -> Spare:
    kind, _, number = path.name.rpartition("-")
    alive = _runs(kind) and processes.find_recorded(directories.read_json(path / "process.json")) is not None
    return Spare(PREFIX + number, kind, alive)
