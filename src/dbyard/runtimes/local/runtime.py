"""Servers as processes of this machine. They outlive the platform: it starts, adopts, watches and stops them.

What runs is never believed from a file: a recorded pid counts only with its start time and argv, and everything that
belongs to an instance is found by its cgroup, its uid (as root) or its marked environment (otherwise).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from dbyard.errors import TemporaryError
from dbyard.model import (
    Address,
    Allocation,
    ExitStatus,
    InstanceSpec,
    InstanceState,
    InstanceStatus,
    JobSpec,
    JobState,
    Layout,
    Placement,
    Release,
    Usage,
)
from dbyard.runtimes import kind_of_spare
from dbyard.runtimes.local import (
    directories,
    exit_status,
    jobs,
    members,
    places,
    processes,
    slots,
    spare_pool,
    starts,
    stops,
    usage,
)
from dbyard.runtimes.local.disk_meter import DiskMeter
from dbyard.runtimes.local.home import FindInstallation, Home
from dbyard.runtimes.local.host import LocalHost
from dbyard.runtimes.local.spare_pool import LocalSparePool

log = logging.getLogger(__name__)

_RUNNING = InstanceStatus(InstanceState.RUNNING)


class LocalRuntime:
    def __init__(
        self,
        home: Path,
        host: str,
        ports: tuple[int, int],
        bubblewrap: Path | None,
        find: FindInstallation,
        *,
        readonly: bool = False,
    ) -> None:
        """Take over the servers of `home`; `ports` is the first and the last port that they may have.

        `find` tells where the programs of a server are. With `readonly` nothing is written to the home.
        """
        self._home = Home(home, host, ports, bubblewrap, find, readonly=readonly)
        self._meter = DiskMeter(self._home)
        self.host = LocalHost(self._home)
        self.spares = LocalSparePool(self._home)
        if not readonly:
            places.clean(self._home)

    # ---- instances ----------------------------------------------------------------------------------------------

    def resolve(self, technology: str, version: str, full_version: str | None = None) -> Release | None:
        found = self._home.find(technology, version, full_version)
        return Release(found.technology, found.version, found.full_version) if found else None

    def allocate(
        self,
        instance_id: str,
        generation: int,
        release: Release,
        *,
        plan: str | None = None,
        lineage: str | None = None,
    ) -> Allocation:
        home, directory = self._home, self._home.directory(instance_id)
        running = [kind_of_spare(release, plan)] if plan and self.spares.may_run() else []
        with home.owned(instance_id, generation):
            slot = slots.read(directory)
            kinds = [*running, kind_of_spare(release)] if lineage is None else []
            if slot is None and spare_pool.claim(home, kinds, directory):
                slot = slots.read(directory)
            slot = slot or places.build(home, instance_id, lineage)
            return Allocation(slot.placement, slot.lineage)

    def layout(self, instance_id: str, placement: Placement, release: Release) -> Layout:
        home, directory = self._home, self._home.directory(instance_id)
        slot, installation = home.slot(instance_id) or slots.parse(placement), home.installation(release)
        return Layout(
            host=slot.host,
            port=home.endpoints.port_of(instance_id) or slot.own_port,
            inner_port=slot.inner_port,
            data=directory / "data",
            conf=directory / "conf",
            log=directory / "log",
            run=directory / "run",
            bin=installation.bin,
            root=installation.root,
            full_version=installation.full_version,
        )

    # The directory says where an instance lives: it is never behind, as what the platform has stored may be.

    def ensure(self, spec: InstanceSpec, placement: Placement, release: Release) -> None:  # noqa: ARG002
        with self._home.owned(spec.id, spec.generation):
            starts.ensure(self._home, spec, release)

    def update(self, spec: InstanceSpec, placement: Placement, release: Release) -> None:  # noqa: ARG002
        home = self._home
        with home.owned(spec.id, spec.generation):
            slot = starts.require_slot(home, spec.id)
            directories.write_conf(spec.files, slot.uid)
            if home.cgroups:
                home.cgroups.ensure(spec.id, spec)

    def status(self, instance_id: str) -> InstanceStatus:
        home = self._home
        if self._runs_as_remembered(instance_id):
            return _RUNNING
        since, directory = home.changes, home.directory(instance_id)
        if stops.is_asked(directory):
            done = stops.is_done(home, instance_id)
            return InstanceStatus(InstanceState.STOPPED if done else InstanceState.STOPPING)
        if members.find(home, instance_id, members.SERVER) is not None:
            records = members.list_records(directory)
            if reason := self._describe_ended(instance_id, records):
                return InstanceStatus(InstanceState.RUNNING, reason)
            home.remember(instance_id, tuple(records), since)
            return _RUNNING
        if not directory.is_dir():
            return InstanceStatus(InstanceState.ABSENT)
        return InstanceStatus(InstanceState.STOPPED, exit=self._exit(instance_id, directory))

    def stop(self, instance_id: str, *, force: bool = False) -> None:
        with self._home.locks[instance_id]:
            stops.ask(self._home, instance_id, force=force)

    def destroy(self, instance_id: str, generation: int) -> None:
        with self._home.locks[instance_id]:
            self._home.outdate(instance_id, generation)
            places.remove(self._home, instance_id)
            self._meter.forget(instance_id)

    def list_instances(self) -> list[str]:
        return self._home.list_instances()

    def put_manifest(self, instance_id: str, manifest: str) -> None:
        with self._home.locks[instance_id]:
            directories.write_manifest(self._home.directory(instance_id), manifest)

    def manifest(self, instance_id: str) -> str | None:
        return directories.read_manifest(self._home.directory(instance_id))

    def logs(self, instance_id: str, lines: int) -> Sequence[str]:
        return directories.last_lines(self._home.directory(instance_id), lines)

    def log_state(self, instance_id: str) -> str:
        return directories.log_state(self._home.directory(instance_id))

    def data_state(self, instance_id: str, directory: str) -> str:
        return directories.data_state(self._home.directory(instance_id) / "data" / directory)

    def watch(self, on_exit: Callable[[str], None]) -> None:
        def ended(instance_id: str, record: str) -> None:
            if not stops.is_asked(self._home.directory(instance_id)):
                log.warning("a process of instance %s (%s) has ended", instance_id, record)
            on_exit(instance_id)

        processes.become_subreaper()
        self._home.watcher.start(ended)

    def usage(self, instance_id: str) -> Usage:
        cgroups = self._home.cgroups
        if cgroups and {"memory", "cpu"} <= set(cgroups.roots):
            return usage.by_cgroup(cgroups, instance_id)
        return usage.by_processes(members.list_members(self._home, instance_id))

    def disk_used(self, instance_id: str, tolerance: int = 0) -> int:
        return self._meter.used(instance_id, tolerance)

    # ---- endpoints ----------------------------------------------------------------------------------------------

    def publish(self, endpoint_id: str, instance_id: str, *, avoid: int | None = None) -> Address:
        with self._home.locks[instance_id]:
            known = self._home.endpoints.get(endpoint_id)
            moves = known is not None and known.port == avoid
            if moves and members.find(self._home, instance_id, members.SERVER) is not None:
                raise TemporaryError("the instance runs: its port cannot change now", code="not_movable")
            return self._home.endpoints.publish(endpoint_id, instance_id, avoid)

    def unpublish(self, endpoint_id: str) -> None:
        self._home.endpoints.unpublish(endpoint_id)

    # ---- jobs ---------------------------------------------------------------------------------------------------

    def run_job(self, spec: JobSpec) -> None:
        jobs.run(self._home, spec)

    def job(self, job_id: str) -> JobState:
        return jobs.look(self._home, job_id)

    def cancel_job(self, job_id: str) -> None:
        jobs.cancel(self._home, job_id)

    # ---- for the commands of this machine -----------------------------------------------------------------------

    def list_processes(self, instance_id: str) -> set[int]:
        """The pids of everything that runs of an instance."""
        return members.list_members(self._home, instance_id)

    def remove_cgroups(self) -> None:
        """Remove the control groups of instances that were all stopped; the next start makes them again."""
        if self._home.cgroups:
            for instance_id in self.list_instances():
                self._home.cgroups.remove(instance_id)

    def _runs_as_remembered(self, instance_id: str) -> bool:
        """Whether all processes live that ran when the instance was looked at last, and nothing has changed since."""
        records, watcher = self._home.remembered(instance_id), self._home.watcher
        return bool(records) and all(watcher.alive(instance_id, record) for record in records)

    def _describe_ended(self, instance_id: str, records: Sequence[str]) -> str:
        """Which processes beside a running server have ended; empty when none has."""
        ended = [record for record in records if members.find(self._home, instance_id, record) is None]
        names = [record.removeprefix("process-").removesuffix(".json") for record in ended]
        return f"the {' and the '.join(names)} beside the server has ended" if names else ""

    def _exit(self, instance_id: str, directory: Path) -> ExitStatus:
        started = directories.read_json(directory / members.SERVER) or {}
        kills = exit_status.memory_kills(self._home.cgroups, instance_id)
        status = self._home.watcher.status(instance_id, members.SERVER)
        return exit_status.describe(started, kills, status, sandboxed=self._home.bubblewrap is not None)
