"""A runtime in memory: nothing runs, everything happens at once, and tests say what goes wrong.

It keeps the promises of the Protocols (it passes the same tests as the local one). Its processes hear a stop signal at
once unless `hold` was called; what the machine does by itself is what the functions of the first part do.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from dbyard.errors import PermanentError, StaleGeneration, TemporaryError
from dbyard.model import (
    Address,
    Allocation,
    ExitStatus,
    InstanceSpec,
    InstanceState,
    InstanceStatus,
    JobSpec,
    JobState,
    JobStatus,
    Layout,
    Placement,
    Progress,
    Release,
    Usage,
)
from dbyard.runtimes import PortTaken, kind_of_spare
from dbyard.runtimes.fake.host import FakeHost
from dbyard.runtimes.fake.machine import HOST, Instance, Machine
from dbyard.runtimes.fake.spares import FakeSparePool

__all__ = ["FakeHost", "FakeRuntime", "FakeSparePool"]

_KILLED = ExitStatus(-9, memory_kill=False)
_NOTHING = Usage(0.0, 0, 0, 0, 0)


class FakeRuntime:
    def __init__(self, clock: Callable[[], float] = time.monotonic, machine: Machine | None = None) -> None:
        """`clock` tells when a process has had its `stop_grace`."""
        self._machine = machine or Machine()
        self._clock = clock
        self._lock = threading.RLock()
        self._destroyed: dict[str, int] = {}
        self._on_exit: Callable[[str], None] = lambda _: None
        self.builds: dict[tuple[str, str], list[str]] = {}
        """The full versions that are there, the oldest first; of a (technology, version) not named here, VERSION.1."""
        self.taken_ports: set[int] = set()
        """On which other programs listen."""
        self.usages: dict[str, Usage] = {}
        self.host = FakeHost()
        self.spares = FakeSparePool(self._machine)

    # ---- what happens -------------------------------------------------------------------------------------------

    def restart_platform(self) -> FakeRuntime:
        """The runtime of a platform that was started after this one was killed."""
        for spare_id in [*self._machine.unfinished]:
            self.spares.discard(spare_id)
        return FakeRuntime(self._clock, self._machine)

    def end_process(self, instance_id: str, exit_status: ExitStatus = _KILLED, *, name: str | None = None) -> None:
        """A process ends by itself: the server, or the one called `name` beside it."""
        with self._lock:
            instance = self._machine.instances[instance_id]
            if instance.running.pop(name or "", None) is None:
                raise KeyError(f"nothing called {name or 'server'} runs")
            if name is None:
                instance.exit = exit_status
        self._on_exit(instance_id)

    def hold(self, instance_id: str) -> None:
        """Its processes do not hear a stop signal until they are killed."""
        self._machine.instances[instance_id].held = True

    def fill_disk(self, instance_id: str, size: int) -> None:
        """Everything of the instance now takes so many bytes."""
        self._machine.instances[instance_id].disk = size

    def progress_job(self, job_id: str, done: float, total: float | None = None, unit: str = "") -> None:
        spec, state = self._machine.jobs[job_id]
        self._machine.jobs[job_id] = spec, replace(state, progress=Progress(done, total, unit))

    def end_job(self, job_id: str, code: int | None = 0, *, result: str = "", log: Sequence[str] = ()) -> None:
        """The job ends with an exit code; None when nobody learns it."""
        spec, state = self._machine.jobs[job_id]
        reason = "it ended without an exit status" if code is None else ""
        status = JobStatus.SUCCEEDED if code == 0 else JobStatus.FAILED
        state = JobState(status, state.progress, code, reason, tuple(log), result if code == 0 else "")
        self._machine.jobs[job_id] = spec, state

    def listens(self, instance_id: str) -> Address | None:
        """Where the instance's server listens, if it runs."""
        instance = self._machine.instances.get(instance_id)
        server = instance.running.get("") if instance else None
        return Address(HOST, instance.listens_on) if instance and server else None

    def count_inits(self, instance_id: str) -> int:
        """How often its init commands have run."""
        return self._machine.instances[instance_id].inits

    def count_starts(self, instance_id: str) -> int:
        """How often its server was started."""
        return self._machine.instances[instance_id].starts

    def spec_of(self, instance_id: str) -> InstanceSpec | None:
        """What the instance was last started with, or given by `update`."""
        return self._machine.instances[instance_id].spec

    def list_instances(self) -> list[str]:
        """All instances that have a place."""
        return sorted(set(self._machine.instances) - self._machine.unfinished - set(self._machine.spares))

    def leftovers(self) -> list[str]:
        """Everything that is there, in words."""
        machine = self._machine
        found = [f"instance {each}" for each in machine.instances] + [f"job {each}" for each in machine.jobs]
        return found + [f"endpoint {each}" for each in machine.endpoints]

    # ---- instances ----------------------------------------------------------------------------------------------

    def resolve(self, technology: str, version: str, full_version: str | None = None) -> Release | None:
        builds = self.builds.get((technology, version), [f"{version}.1"])
        if full_version not in builds:
            builds = [each for each in builds if full_version is None or _numbers(each) > _numbers(full_version)]
            full_version = builds[-1] if builds else None
        return Release(technology, version, full_version) if full_version else None

    def allocate(
        self,
        instance_id: str,
        generation: int,
        release: Release,
        *,
        plan: str | None = None,
        lineage: str | None = None,
    ) -> Allocation:
        kinds = [kind_of_spare(release, plan)] if plan else []
        with self._lock:
            self._check(instance_id, generation)
            if lineage is None:
                self.spares.claim([*kinds, kind_of_spare(release)], instance_id)
            if instance_id not in self._machine.instances:
                self._machine.build(instance_id, lineage)
            return self._machine.instances[instance_id].allocation

    def layout(self, instance_id: str, placement: Placement, release: Release) -> Layout:
        self._require_release(release)
        slot = int(json.loads(placement)["slot"])
        here = Path("/fake/instances") / instance_id
        root = Path("/fake/engines") / release.technology / release.full_version
        return Layout(
            HOST,
            self._machine.port_of(instance_id) or self._own_port(instance_id, slot),
            slot + 1,
            here / "data",
            here / "conf",
            here / "log",
            here / "run",
            root / "bin",
            root,
            full_version=release.full_version,
        )

    def ensure(self, spec: InstanceSpec, placement: Placement, release: Release) -> None:  # noqa: ARG002
        with self._lock:
            self._check(spec.id, spec.generation)
            instance = self._require(spec.id)
            self._require_release(release)
            if instance.asked is not None and instance.running:
                self._ask(instance, force=False)
                if instance.running:
                    raise TemporaryError("the server is still being stopped", code="stopping")
            wanted = {"": spec.server} | {each.name: each for each in spec.processes[1:]}
            if "" not in instance.running:
                port = self._machine.port_of(spec.id) or instance.own_port
                if port in self.taken_ports:
                    raise PortTaken(f"another program listens on port {port}")
                instance.running, instance.started = {}, set()
                instance.asked, instance.exit, instance.held = None, None, False
                instance.inits += not instance.initialised
                instance.starts += 1
                instance.initialised = True
                instance.listens_on = port
            instance.running = wanted | instance.running
            instance.started |= set(wanted)
            instance.spec = spec

    def update(self, spec: InstanceSpec, placement: Placement, release: Release) -> None:  # noqa: ARG002
        with self._lock:
            self._check(spec.id, spec.generation)
            self._require(spec.id).spec = spec

    def status(self, instance_id: str) -> InstanceStatus:
        instance = self._machine.instances.get(instance_id)
        if instance is None:
            return InstanceStatus(InstanceState.ABSENT)
        if instance.asked is not None:
            return InstanceStatus(InstanceState.STOPPING if instance.running else InstanceState.STOPPED)
        if "" not in instance.running:
            return InstanceStatus(InstanceState.STOPPED, exit=instance.exit or ExitStatus(None, memory_kill=False))
        ended = sorted(instance.started - set(instance.running))
        reason = f"the {' and the '.join(ended)} beside the server has ended" if ended else ""
        return InstanceStatus(InstanceState.RUNNING, reason)

    def stop(self, instance_id: str, *, force: bool = False) -> None:
        instance = self._machine.instances.get(instance_id)
        if instance is not None:
            with self._lock:
                ended = self._ask(instance, force=force)
            for _ in range(ended):
                self._on_exit(instance_id)

    def destroy(self, instance_id: str, generation: int) -> None:
        with self._lock:
            self._destroyed[instance_id] = max(generation, self._destroyed.get(instance_id, 0))
            self._machine.instances.pop(instance_id, None)
            for job_id in [each for each, (spec, _) in self._machine.jobs.items() if spec.instance_id == instance_id]:
                self.cancel_job(job_id)

    def put_manifest(self, instance_id: str, manifest: str) -> None:
        if instance_id in self._machine.instances:
            self._machine.instances[instance_id].manifest = manifest

    def manifest(self, instance_id: str) -> str | None:
        instance = self._machine.instances.get(instance_id)
        return instance.manifest if instance else None

    def logs(self, instance_id: str, lines: int) -> Sequence[str]:
        instance = self._machine.instances.get(instance_id)
        return instance.log[-lines:] if instance else []

    def log_state(self, instance_id: str) -> str:
        instance = self._machine.instances.get(instance_id)
        return str(len(instance.log)) if instance else ""

    def data_state(self, instance_id: str, directory: str) -> str:  # noqa: ARG002
        return ""

    def watch(self, on_exit: Callable[[str], None]) -> None:
        """Calls come from the thread that makes a process end."""
        self._on_exit = on_exit

    def usage(self, instance_id: str) -> Usage:
        return self.usages.get(instance_id, _NOTHING)

    def disk_used(self, instance_id: str, tolerance: int = 0) -> int:  # noqa: ARG002
        instance = self._machine.instances.get(instance_id)
        return instance.disk if instance else 0

    # ---- endpoints ----------------------------------------------------------------------------------------------

    def publish(self, endpoint_id: str, instance_id: str, *, avoid: int | None = None) -> Address:
        with self._lock:
            instance = self._machine.instances.get(instance_id)
            if instance is None:
                raise TemporaryError(f"instance {instance_id} has no place yet", code="not_placed")
            port, before = self._machine.endpoints.get(endpoint_id, (None, instance_id))
            if port is not None and port == avoid and instance.running:
                raise TemporaryError("the instance runs: its port cannot change now", code="not_movable")
            if port is None or port == avoid:
                # A running spare is published where its server listens already.
                port = instance.own_port if port is None and instance.running else self._machine.new_port()
            first = self._machine.instances.get(before)
            if first is not None and before != instance_id and first.own_port == port:
                first.own_port = self._machine.new_port()
            self._machine.endpoints[endpoint_id] = (port, instance_id)
            return Address(HOST, port)

    def unpublish(self, endpoint_id: str) -> None:
        self._machine.endpoints.pop(endpoint_id, None)

    # ---- jobs ---------------------------------------------------------------------------------------------------

    def run_job(self, spec: JobSpec) -> None:
        with self._lock:
            if spec.id not in self._machine.jobs:
                self._require(spec.instance_id)
                self._require_release(spec.release)
                self._machine.jobs[spec.id] = spec, JobState(JobStatus.RUNNING)

    def job(self, job_id: str) -> JobState:
        _, state = self._machine.jobs.get(job_id, (None, JobState(JobStatus.ABSENT)))
        return state

    def cancel_job(self, job_id: str) -> None:
        self._machine.jobs.pop(job_id, None)

    # ---- how ----------------------------------------------------------------------------------------------------

    def _own_port(self, instance_id: str, slot: int) -> int:
        instance = self._machine.instances.get(instance_id)
        return instance.own_port if instance else slot

    def _ask(self, instance: Instance, *, force: bool) -> int:
        """How many processes have ended at once."""
        before = len(instance.running)
        instance.asked = {} if instance.asked is None else instance.asked
        beside = {name for name in instance.running if name}
        for name in beside or set(instance.running):
            waited = self._clock() - instance.asked.setdefault(name, self._clock())
            if not instance.held or waited >= instance.running[name].stop_grace:
                del instance.running[name]
        if force:
            instance.running.clear()
        return before - len(instance.running)

    def _check(self, instance_id: str, generation: int) -> None:
        if generation < self._destroyed.get(instance_id, 0):
            raise StaleGeneration(f"instance {instance_id} was destroyed by a newer operation")

    def _require(self, instance_id: str) -> Instance:
        if instance_id not in self._machine.instances:
            raise PermanentError(f"the directory of instance {instance_id} is missing", code="directory_missing")
        return self._machine.instances[instance_id]

    def _require_release(self, release: Release) -> None:
        if self.resolve(release.technology, release.version, release.full_version) is None:
            raise PermanentError(f"the server of {release.technology} is not there any more", code="server_missing")


def _numbers(full_version: str) -> list[int]:
    return [int(part) for part in full_version.replace("-", ".").split(".") if part.isdecimal()]
