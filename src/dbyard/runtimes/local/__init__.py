"""Servers as processes of this machine. They outlive the platform: it starts, adopts, watches and stops them.

What runs is never believed from a file: a recorded pid counts only with its start time and argv, and everything that
belongs to an instance is found by its cgroup, its uid (as root) or its marked environment (otherwise).
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import shutil
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dbyard.errors import PermanentError, StaleGeneration, TemporaryError
from dbyard.model import MIB, Capacity, ExitStatus, Installation, InstanceSpec, InstanceState, Layout, Placement, Usage
from dbyard.runtimes import PortTaken, Spare, kind_of_spare
from dbyard.runtimes.local import cgroups, directories, exit_status, processes, sandbox, shelf, spawn, usage
from dbyard.runtimes.local.ports import Ports, claims_directory, is_free
from dbyard.runtimes.local.processes import Process
from dbyard.runtimes.local.sandbox import Cell
from dbyard.runtimes.local.watcher import Watcher

log = logging.getLogger(__name__)

_NOBODY = 65534
_GONE_SECONDS = 10.0
_ROOM_BYTES = 256 * MIB


class LocalRuntime:
    def __init__(self, home: Path, host: str, ports: tuple[int, int], bubblewrap: Path | None) -> None:
        """Take over the servers of `home`; `ports` is the first and the last port that they may have."""
        self._home = home
        self._ports = Ports(claims_directory(), home, host, *ports)
        self._bubblewrap = bubblewrap if os.geteuid() == 0 else None
        self._cgroups = cgroups.probe(hashlib.sha256(str(home).encode()).hexdigest()[:12], self._group_of)
        self._shelf = shelf.Shelf(home / "spares")
        self._watcher = Watcher()
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)
        self._destroyed: dict[str, int] = {}
        directories.make_home(home)
        self._clean()

    # ---- instances ----------------------------------------------------------------------------------------------

    def place(
        self, instance_id: str, generation: int, installation: Installation, plan: str | None = None
    ) -> Placement:
        directory = self._directory(instance_id)
        running = [kind_of_spare(installation, plan)] if plan and self.may_run_spares() else []
        with self._owned(instance_id, generation):
            placement = directories.read_placement(directory)
            if placement is None and self._shelf.claim([*running, kind_of_spare(installation)], directory):
                placement = directories.read_placement(directory)
            return placement or self._build(directory)

    def replace(self, instance_id: str, generation: int) -> Placement:
        directory = self._directory(instance_id)
        with self._owned(instance_id, generation):
            old = directories.read_placement(directory)
            if old is None or self._find(instance_id) is not None:
                raise TemporaryError("the instance cannot be moved now", code="not_movable")
            with self._ports.placing(old.seed) as new:
                directories.write_placement(directory, new)
            self._ports.release(old.port)
            return new

    def layout(self, instance_id: str, placement: Placement, installation: Installation) -> Layout:
        return directories.layout(self._directory(instance_id), placement, installation)

    def ensure(self, spec: InstanceSpec, placement: Placement, installation: Installation) -> None:
        directory = self._directory(spec.id)
        with self._owned(spec.id, spec.generation):
            if self._find(spec.id) is not None:
                return
            if not directory.is_dir():
                raise PermanentError(f"the directory of instance {spec.id} is missing", code="directory_missing")
            if self._may_have_run(directory):
                self._kill(spec.id)
            if not is_free(placement.host, placement.port):
                raise PortTaken(f"another program listens on port {placement.port}")
            cell = self._cell(directory, spec, placement, installation)
            self._initialise(cell, spec)
            self._start(cell, spec)

    def adjust(self, spec: InstanceSpec) -> None:
        with self._owned(spec.id, spec.generation):
            if self._cgroups:
                self._cgroups.ensure(spec)

    def state(self, instance_id: str) -> InstanceState:
        if self._watcher.alive(instance_id) or self._find(instance_id):
            return InstanceState.RUNNING
        return InstanceState.STOPPED if self._directory(instance_id).is_dir() else InstanceState.ABSENT

    def last_exit(self, instance_id: str) -> ExitStatus:
        started = directories.read_json(self._directory(instance_id) / "process.json") or {}
        kills, status = exit_status.memory_kills(self._cgroups, instance_id), self._watcher.status(instance_id)
        return exit_status.tell(started, kills, status, sandboxed=self._bubblewrap is not None)

    def stop(self, instance_id: str, *, by_force: bool = False) -> None:
        with self._locks[instance_id]:
            process = self._find(instance_id)
            self._watcher.remove(instance_id)
            if process is not None and not by_force:
                started = directories.read_json(self._directory(instance_id) / "process.json") or {}
                signum, grace = started.get("stop_signal"), started.get("stop_grace")
                processes.terminate(process, int(str(signum or signal.SIGTERM)), float(str(grace or 0)))
            self._kill(instance_id)

    def destroy(self, instance_id: str, generation: int) -> None:
        with self._locks[instance_id]:
            self._destroyed[instance_id] = max(generation, self._destroyed.get(instance_id, 0))
            self._watcher.remove(instance_id)
            self._remove(self._directory(instance_id), instance_id)

    def logs(self, instance_id: str, lines: int) -> Sequence[str]:
        return directories.last_lines(self._directory(instance_id), lines)

    def trim_logs(self) -> None:
        for instance_id in self.list_instances():
            directories.trim_logs(self._directory(instance_id))

    def watch(self, on_exit: Callable[[str], None]) -> None:
        processes.become_subreaper()
        self._watcher.start(on_exit)

    def has_room(self) -> bool:
        return shutil.disk_usage(self._home).free >= _ROOM_BYTES

    def limits(self) -> Mapping[str, str]:
        held = self._cgroups
        by_cgroup = dict.fromkeys(held.roots, f"cgroup v{held.version}") if held else {}
        return {
            "memory": by_cgroup.get("memory", "engine settings and rlimit"),
            "cpu": by_cgroup.get("cpu", "none"),
            "processes": by_cgroup.get("pids", "none"),
            "disk": "watched by the platform",
            "sandbox": "bubblewrap" if self._bubblewrap else "none",
            "uid": "one per instance" if os.geteuid() == 0 else "shared",
        }

    def usage(self, instance_id: str) -> Usage:
        if self._cgroups and {"memory", "cpu"} <= set(self._cgroups.roots):
            return usage.by_cgroup(self._cgroups, instance_id)
        return usage.by_processes(self._members(instance_id))

    def cpu_seconds(self, instance_id: str) -> float | None:
        return usage.cpu_seconds(self._cgroups, instance_id) if self._cgroups else None

    def written(self, instance_id: str) -> int | None:
        return usage.written(self._members(instance_id))

    def disk(self, instance_id: str) -> int:
        return usage.disk(self._directory(instance_id))

    def space(self) -> Capacity:
        return usage.space(self._home)

    def memory(self) -> Capacity:
        return usage.memory()

    def leave(self) -> None:
        """Leave no control group behind: for whoever has stopped every server. The next start makes them again."""
        if self._cgroups:
            for instance_id in self.list_instances():
                self._cgroups.remove(instance_id)

    def list_instances(self) -> list[str]:
        """The ids of all instances that have a directory in this home."""
        return sorted(path.name for path in (self._home / "instances").iterdir() if not path.name.startswith("."))

    # ---- spares -------------------------------------------------------------------------------------------------

    def new_spare(self) -> tuple[str, Placement]:
        spare_id = f"{shelf.PREFIX}{secrets.token_hex(12)}"
        return spare_id, self._build(self._directory(spare_id))

    def prepare(self, spec: InstanceSpec, placement: Placement, installation: Installation) -> None:
        directory = self._directory(spec.id)
        self._initialise(self._cell(directory, spec, placement, installation, nice=10), spec)
        self._kill(spec.id)
        if self._cgroups:
            self._cgroups.remove(spec.id)  # whoever claims the spare gets a group of its own
        directories.empty(directory / "run")
        self._shelf.put(spec.id, kind_of_spare(installation))

    def may_run_spares(self) -> bool:
        return self._bubblewrap is not None  # its sandbox has its files by what they are, not by where they are

    def offer(self, spare_id: str, kind: str) -> None:
        directories.write_group(self._directory(spare_id), spare_id)  # which the server stays in, whoever claims it
        self._watcher.remove(spare_id)  # it gets another name
        self._shelf.put(spare_id, kind)

    def discard(self, spare_id: str) -> None:
        self._watcher.remove(spare_id)
        if self._shelf.take_down(spare_id):
            self._remove(self._directory(spare_id), spare_id)

    def spares(self, installation: Installation) -> int:
        return sum(spare.kind == kind_of_spare(installation) for spare in self.list_spares(running=False))

    def list_spares(self, *, running: bool) -> Sequence[Spare]:
        return self._shelf.list_all(running=running)

    # ---- how ----------------------------------------------------------------------------------------------------

    def _directory(self, instance_id: str) -> Path:
        if instance_id.startswith(shelf.PREFIX):
            return self._shelf.unfinished(instance_id)
        return self._home / "instances" / instance_id

    def _group_of(self, instance_id: str) -> str:
        """Its control group's name: a running spare keeps its own when it becomes an instance."""
        places = (self._directory(instance_id), self._home / "trash" / instance_id)
        return next((name for place in places if (name := directories.read_group(place))), instance_id)

    @contextmanager
    def _owned(self, instance_id: str, generation: int) -> Iterator[None]:
        with self._locks[instance_id]:
            if generation < self._destroyed.get(instance_id, 0):
                raise StaleGeneration(f"instance {instance_id} was destroyed by a newer operation")
            yield

    def _build(self, directory: Path) -> Placement:
        new = directory.with_name(f".new-{directory.name.lstrip('.')}")
        try:
            with self._ports.placing(secrets.token_hex(16)) as placement:
                directories.build(new, placement.uid)
                directories.write_placement(new, placement)
                new.rename(directory)
        except OSError:
            shutil.rmtree(new, ignore_errors=True)
            raise
        return placement

    def _cell(
        self, directory: Path, spec: InstanceSpec, placement: Placement, installation: Installation, nice: int = 0
    ) -> Cell:
        if (directory / "data").stat().st_uid != placement.uid:
            directories.change_owner(directory, placement.uid)
        directories.write_conf(spec.files, placement.uid)
        (directory / "passwd").write_text(sandbox.passwd(placement.uid), encoding="ascii")
        (directory / "passwd").chmod(0o644)
        joins = self._cgroups.ensure(spec) if self._cgroups else ()
        return Cell(directory, placement.uid, installation, joins, spec.server.address_space, nice)

    def _may_have_run(self, directory: Path) -> bool:
        return (directory / "process.json").exists() or not (directory / directories.INITIALISED).exists()

    def _initialise(self, cell: Cell, spec: InstanceSpec) -> None:
        """Run the init commands from an empty data directory, unless all of them have run before."""
        marker = cell.directory / directories.INITIALISED
        if marker.exists():
            return
        directories.empty(cell.directory / "data")
        try:
            with self._named_uid(cell) as named:
                for command in spec.init:
                    env, output = self._environment(named, spec), self._output(named)
                    spawn.run(named, command, env, self._bubblewrap, output, self._watcher)
        except Exception:
            self._kill(spec.id)
            directories.empty(cell.directory / "data")  # the disk may be full, and others need the room
            raise
        self._output(cell).unlink(missing_ok=True)  # what preparing printed is not the server's log
        directories.sync(cell.directory)
        directories.write_json(marker, True, durable=True)

    @contextmanager
    def _named_uid(self, cell: Cell) -> Iterator[Cell]:
        """Init programs insist on a name for their uid; without a sandbox only the system gives one."""
        if self._bubblewrap is not None or os.geteuid() != 0:
            yield cell
            return
        directories.change_owner(cell.directory, _NOBODY)
        try:
            yield replace(cell, uid=_NOBODY)
        finally:
            directories.change_owner(cell.directory, cell.uid)

    def _start(self, cell: Cell, spec: InstanceSpec) -> None:
        record = {
            "argv": spec.server.argv,
            "stop_signal": int(spec.server.stop_signal),
            "stop_grace": spec.server.stop_grace,
        }
        record |= {"memory_kills": exit_status.memory_kills(self._cgroups, spec.id)}
        path = cell.directory / "process.json"
        # Written ahead: if we die before the pid is known, its argv still tells the server among its own processes.
        directories.write_json(path, record, durable=False)
        env = self._environment(cell, spec)
        process = spawn.start(cell, spec.server.argv, env, self._bubblewrap, self._output(cell))
        if process is None:
            raise TemporaryError("the server ended while it was started", code="server_exited")
        directories.write_json(path, {**record, "pid": process.pid, "start_time": process.start_time}, durable=False)
        self._watcher.add(spec.id, process)

    def _environment(self, cell: Cell, spec: InstanceSpec) -> dict[str, str]:
        return sandbox.environment(cell, spec.server.env, ("DBYARD_INSTANCE", self._marker(spec.id)))

    def _output(self, cell: Cell) -> Path:
        return cell.directory / "output.log"

    def _marker(self, instance_id: str) -> str:
        return f"{self._home}:{instance_id}"

    def _find(self, instance_id: str) -> Process | None:
        """The instance's server, watched from now on; None when none runs."""
        watched = self._watcher.alive(instance_id)
        if watched is not None:
            return watched
        started = directories.read_json(self._directory(instance_id) / "process.json")
        if started is None:
            return None
        argv = processes.recorded_argv(started)
        found = processes.find_recorded(started) or self._among_members(instance_id, argv)
        if found is not None:
            self._watcher.add(instance_id, found)
        return found

    def _among_members(self, instance_id: str, argv: tuple[str, ...]) -> Process | None:
        found = [process for pid in self._members(instance_id) if (process := processes.read(pid))]
        # A server's children bear its argv until they name themselves; the server is the eldest.
        return min((p for p in found if p.argv == argv), key=lambda p: p.start_time, default=None)

    def _members(self, instance_id: str) -> set[int]:
        """All living processes of the instance, by everything that tells them."""
        found = set(self._cgroups.members(instance_id)) if self._cgroups else set()
        if os.geteuid() != 0:
            found.update(processes.list_marked(f"DBYARD_INSTANCE={self._marker(instance_id)}"))
        elif (placement := directories.read_placement(self._directory(instance_id))) is not None:
            found.update(processes.list_of_uid(placement.uid))
        return {pid for pid in found if processes.read(pid)}

    def _kill(self, instance_id: str) -> None:
        """Afterwards no process of the instance is left, not even as a zombie that still has its pid."""

        def gone() -> bool:
            for process in [processes.read(pid) for pid in self._members(instance_id)]:
                if process is not None:
                    self._kill_member(instance_id, process)
            self._watcher.reap()
            return not self._members(instance_id)

        if not processes.wait_until(gone, _GONE_SECONDS):
            raise TemporaryError("processes of the server do not end", code="processes_left")

    def _kill_member(self, instance_id: str, process: Process) -> None:
        with processes.open_pidfd(process) as fd:
            if fd is not None and process.pid in self._members(instance_id):
                try:
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
                except ProcessLookupError:
                    return

    def _remove(self, directory: Path, name: str) -> None:
        """Kill, move out of the way, free the port, delete: killed anywhere in between, the same call ends it."""
        trash = self._home / "trash" / name
        if directory.is_dir():
            self._kill(name)
            if trash.exists():
                shutil.rmtree(trash)
            directory.rename(trash)
        if self._cgroups:
            self._cgroups.remove(name)
        if trash.is_dir():
            placement = directories.read_placement(trash)
            if placement is not None:
                self._ports.release(placement.port)
            (trash / "placement.json").unlink(missing_ok=True)
            shutil.rmtree(trash)

    def _clean(self) -> None:
        """What a platform that was killed left half done: unfinished directories, and trash."""
        for parent in ("instances", "spares"):
            for path in (self._home / parent).glob(".new-*"):
                shutil.rmtree(path)
        for path in (self._home / "spares").glob(f".{shelf.PREFIX}*"):
            self.discard(path.name.removeprefix("."))
        for path in (self._home / "trash").iterdir():
            self._remove(self._directory(path.name), path.name)
        with self._ports.locked():
            self._ports.release_unplaced()
