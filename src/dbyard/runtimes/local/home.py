"""What the parts of the local runtime share: one home, its directories, its control groups and its watcher."""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from dbyard import roots
from dbyard.errors import PermanentError, StaleGeneration
from dbyard.model import Installation, Release
from dbyard.runtimes.local import cgroups, directories, own_ports, slots, syscalls
from dbyard.runtimes.local.endpoints import Endpoints
from dbyard.runtimes.local.ports import Ports, claims_directory
from dbyard.runtimes.local.slots import Slot
from dbyard.runtimes.local.watcher import Watcher

SPARE = "spare-"
"""The ids of spares begin so."""


class FindInstallation(Protocol):
    def __call__(
        self, technology: str, version: str, full_version: str | None = None, /, *, whole: bool = True
    ) -> Installation | None:
        """The newest server of this version; with a `full_version` that one, else a newer one.

        Without `whole`, which need a sandbox, none that brings a whole root along.
        """


class Home:
    def __init__(
        self,
        path: Path,
        host: str,
        ports: tuple[int, int],
        bubblewrap: Path | None,
        find: FindInstallation,
        *,
        readonly: bool = False,
    ) -> None:
        self.path = path
        self.bubblewrap = bubblewrap if bubblewrap and roots.works(bubblewrap) else None
        self.find = partial(find, whole=self.bubblewrap is not None)
        directories.make_home(path)
        confined = self.bubblewrap and not readonly  # where nothing is written nothing is started
        self.syscall_filter = syscalls.write_filter(path / "syscalls.bpf") if confined else None
        self.holds_ports = own_ports.is_held(self.bubblewrap)
        self.ports = Ports(claims_directory(), path, host, *ports)
        self.endpoints = Endpoints(path, self.ports)
        self.cgroups = cgroups.probe(hashlib.sha256(str(path).encode()).hexdigest()[:12], self._group_of)
        self.watcher = Watcher()
        self.locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._destroyed: dict[str, int] = {}
        self._groups: dict[str, str] = {}
        self._running: dict[str, tuple[str, ...]] = {}
        self._changes = 0
        self._changing = threading.Lock()

    def directory(self, instance_id: str) -> Path:
        """Where an instance lives, or an unfinished spare."""
        if instance_id.startswith(SPARE):
            return self.path / "spares" / f".{instance_id}"
        return self.path / "instances" / instance_id

    def slot(self, instance_id: str) -> Slot | None:
        return slots.read(self.directory(instance_id))

    def list_instances(self) -> list[str]:
        """The ids of all instances that have a directory in this home."""
        return sorted(path.name for path in (self.path / "instances").glob("[!.]*"))

    def installation(self, release: Release) -> Installation:
        """Where the programs of a release are; raises PermanentError when they are not there."""
        found = self.find(release.technology, release.version, release.full_version)
        if found is None:
            server = f"{release.technology}@{release.version}"
            raise PermanentError(
                f"the server of {release.technology} {release.version} is not installed any more:"
                f" run dbyard engines install {server}",
                code="server_missing",
            )
        return found

    @contextmanager
    def owned(self, instance_id: str, generation: int) -> Iterator[None]:
        """One at a time for each instance; raises StaleGeneration when a newer `destroy` has come first."""
        with self.locks[instance_id]:
            if generation < self._destroyed.get(instance_id, 0):
                raise StaleGeneration(f"instance {instance_id} was destroyed by a newer operation")
            yield

    def outdate(self, instance_id: str, generation: int) -> None:
        """Calls of an older generation are stale from now on."""
        self._destroyed[instance_id] = max(generation, self._destroyed.get(instance_id, 0))

    # ---- what is remembered of running instances, so that looking at hundreds of them costs little --------------

    @property
    def changes(self) -> int:
        """Counts `changed`."""
        return self._changes

    def changed(self, instance_id: str) -> None:
        """What was remembered of the instance does not hold any more: it is being started, stopped or removed."""
        with self._changing:
            self._changes += 1
            self._running.pop(instance_id, None)

    def remember(self, instance_id: str, records: tuple[str, ...], since: int) -> None:
        """These processes of the instance run and nobody stops them, unless something `changed` `since`."""
        with self._changing:
            if since == self._changes:
                self._running[instance_id] = records

    def remembered(self, instance_id: str) -> tuple[str, ...]:
        return self._running.get(instance_id, ())

    def forget(self, instance_id: str) -> None:
        """The instance is gone."""
        self._groups.pop(instance_id, None)

    def marker(self, instance_id: str) -> str:
        return f"{self.path}:{instance_id}"

    def _group_of(self, instance_id: str) -> str:
        """Its control group's name: a running spare keeps its own when it becomes an instance."""
        if (known := self._groups.get(instance_id)) is not None:
            return known
        paths = (self.directory(instance_id), self.path / "trash" / instance_id)
        name = next((name for path in paths if (name := directories.read_group(path))), instance_id)
        if any(path.is_dir() for path in paths):
            self._groups[instance_id] = name
        return name
