"""Two worlds in which the same promises are tested: real processes of this machine, and the fake runtime."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dbyard import installations
from dbyard.model import (
    MIB,
    Address,
    Allocation,
    Command,
    DataAccess,
    File,
    Installation,
    InstanceSpec,
    InstanceState,
    JobSpec,
    Layout,
    ProcessSpec,
    Release,
)
from dbyard.runtimes import Runtime
from dbyard.runtimes.fake import FakeRuntime
from dbyard.runtimes.local import LocalRuntime, directories, processes
from tests.e2e.platforms import claimed_ports
from tests.ports import PLATFORMS, bounds

RELEASE = Release("echo", "1", "1.0")
GRACE = 0.4
SECONDS = 10.0

_SERVER = """
import os, signal, socket, sys, time
deaf = os.environ.get("DEAF")
signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else lambda *_: os._exit(0))
print("started", flush=True)
listener = socket.create_server((sys.argv[1], int(sys.argv[2]))) if len(sys.argv) > 1 else None
while True:
    listener.accept()[0].close() if listener else time.sleep(1000)
"""
# It ends when a test writes its last commands.
_JOB = """
echo begun
while [ ! -e finish ]; do sleep 0.01; done
. ./finish
"""


@dataclass(frozen=True)
class Instance:
    """An instance that has a place."""

    id: str
    allocation: Allocation
    release: Release = RELEASE


@dataclass
class FakeWorld:
    runtime: FakeRuntime = field(default_factory=FakeRuntime)

    @property
    def builds(self) -> list[str]:
        """The full versions of the server that are there, the oldest first."""
        return self.runtime.builds.setdefault((RELEASE.technology, RELEASE.version), ["1.0"])

    def reopen(self) -> Runtime:
        """The runtime of another platform, after this one's was killed."""
        self.runtime = self.runtime.restart_platform()
        return self.runtime

    def crash(self, instance: Instance, name: str | None = None) -> None:
        """The server, or a process beside it, is killed from outside."""
        self.runtime.end_process(instance.id, name=name)

    @contextmanager
    def taking(self, port: int) -> Iterator[None]:
        """Another program listens on the port."""
        self.runtime.taken_ports.add(port)
        yield
        self.runtime.taken_ports.discard(port)

    def listens(self, instance: Instance, address: Address) -> bool:
        return self.runtime.listens(instance.id) == address

    def count_inits(self, instance: Instance) -> int:
        return self.runtime.count_inits(instance.id)

    def write(self, instance: Instance, size: int) -> None:
        """The instance's data become so many bytes larger."""
        self.runtime.fill_disk(instance.id, self.runtime.disk_used(instance.id) + size)

    def program(self, _: Layout) -> tuple[str, ...]:
        return ("serve",)

    def progress(self, job_id: str, done: float, total: float, unit: str) -> None:
        self.runtime.progress_job(job_id, done, total, unit)

    def finish(self, job_id: str, code: int, result: str = "") -> None:
        self.runtime.end_job(job_id, code, result=result, log=["begun", "ends"])

    def lose(self, job_id: str) -> None:
        """The job ends so that nobody learns how."""
        self.runtime.end_job(job_id, None)

    def leftovers(self) -> list[str]:
        return self.runtime.leftovers()

    def close(self) -> None:
        return


class LocalWorld:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.builds = ["1.0"]
        self.runtime = self._open()

    def _open(self) -> LocalRuntime:
        return LocalRuntime(self.home, "127.0.0.1", bounds(PLATFORMS), installations.find_tool("bwrap"), self._find)

    def _find(
        self, technology: str, version: str, full_version: str | None = None, *, whole: bool = True
    ) -> Installation | None:
        """The system's own programs, as if they were a server of each build."""
        newer = [each for each in self.builds if full_version is None or each >= full_version]
        found = full_version if full_version in newer else newer[-1] if newer else None
        if (technology, version) != (RELEASE.technology, RELEASE.version) or found is None:
            return None
        return Installation(technology, version, found, Path("/usr/bin"), (), Path("/usr"), "system")

    def reopen(self) -> Runtime:
        self.runtime = self._open()
        return self.runtime

    def crash(self, instance: Instance, name: str | None = None) -> None:
        record = f"process-{name}.json" if name else "process.json"
        self._kill(self._directory(instance) / record)

    def taking(self, port: int) -> AbstractContextManager[object]:
        return socket.create_server(("127.0.0.1", port))

    def listens(self, _: Instance, address: Address) -> bool:
        with socket.socket() as client:
            client.settimeout(1)
            return client.connect_ex((address.host, address.port)) == 0

    def count_inits(self, instance: Instance) -> int:
        made = self._directory(instance) / "run" / "inits"
        return len(made.read_text().splitlines()) if made.exists() else 0

    def write(self, instance: Instance, size: int) -> None:
        (self._directory(instance) / "data" / os.urandom(4).hex()).write_bytes(os.urandom(size))

    def program(self, layout: Layout) -> tuple[str, ...]:
        return ("/usr/bin/python3", str(layout.conf / "server.py"))

    def progress(self, job_id: str, done: float, total: float, unit: str) -> None:
        with (self._job(job_id) / "work" / "progress").open("a") as file:
            file.write(f"{done:g} {total:g} {unit}\n")

    def finish(self, job_id: str, code: int, result: str = "") -> None:
        new = self._job(job_id) / "work" / ".finish"
        new.write_text(f"printf %s '{result}' > \"$DBYARD_RESULT\"; echo ends; exit {code}\n")
        new.chmod(0o644)
        new.rename(new.with_name("finish"))

    def lose(self, job_id: str) -> None:
        until(lambda: "pid" in (directories.read_json(self._job(job_id) / "job.json") or {}))
        until((self._job(job_id) / "begun").exists)
        self._kill(self._job(job_id) / "job.json")

    def leftovers(self) -> list[str]:
        parents = (self.home / name for name in ("instances", "spares", "endpoints", "jobs", "trash"))
        found = [str(path) for parent in parents for path in parent.iterdir()]
        cgroups = self.runtime._home.cgroups
        roots = set(cgroups.roots.values()) if cgroups else set()
        found += [str(path) for root in roots for path in root.glob(f"{cgroups.prefix}*")]  # type: ignore[union-attr]
        return found + [f"claim of port {port}" for port in claimed_ports(self.home)]

    def close(self) -> None:
        runtime = self.runtime
        for instance_id in runtime.list_instances():
            runtime.destroy(instance_id, sys.maxsize)
        for running in (True, False):
            for spare in runtime.spares.list(running=running):
                runtime.spares.discard(spare.id)
        for path in (self.home / "spares").glob(".*"):
            runtime.spares.discard(path.name.removeprefix("."))
        for path in (self.home / "endpoints").iterdir():
            runtime.unpublish(path.stem)
        assert self.leftovers() == []

    def _directory(self, instance: Instance) -> Path:
        return self.home / "instances" / instance.id

    def _job(self, job_id: str) -> Path:
        return self.home / "jobs" / job_id

    def _kill(self, record: Path) -> None:
        found = processes.read(int(json.loads(record.read_text())["pid"]))
        assert found is not None
        processes.send(found, signal.SIGKILL)
        until(lambda: not processes.is_alive(found))


World = FakeWorld | LocalWorld


def allocate(world: World, *, plan: str | None = None, lineage: str | None = None) -> Instance:
    instance_id = os.urandom(12).hex()
    return Instance(instance_id, world.runtime.allocate(instance_id, 1, RELEASE, plan=plan, lineage=lineage))


def layout_of(world: World, instance: Instance) -> Layout:
    return world.runtime.layout(instance.id, instance.allocation.placement, instance.release)


def spec_of(
    world: World, instance: Instance, generation: int = 1, *, beside: bool = False, env: Mapping[str, str] = {}
) -> InstanceSpec:
    layout = layout_of(world, instance)
    program = world.program(layout)
    server = ProcessSpec("server", (*program, layout.host, str(layout.port)), env, None, signal.SIGTERM, GRACE)
    helper = ProcessSpec("helper", program, env, None, signal.SIGTERM, GRACE)
    return InstanceSpec(
        id=instance.id,
        generation=generation,
        processes=(server, helper) if beside else (server,),
        init=(Command(("/bin/sh", "-c", f"echo made >> {layout.run}/inits")),),
        files=(File(layout.conf / "server.py", _SERVER),),
        memory=64 * MIB,
        cpu=1.0,
        pids=20,
        disk=MIB,
    )


def start(world: World, instance: Instance, generation: int = 1, *, beside: bool = False, deaf: bool = False) -> None:
    """Start the instance and wait until it answers. A deaf one hears no stop signal."""
    env = {"DEAF": "1"} if deaf else {}
    spec = spec_of(world, instance, generation, beside=beside, env=env)
    world.runtime.ensure(spec, instance.allocation.placement, instance.release)
    if deaf and isinstance(world, FakeWorld):
        world.runtime.hold(instance.id)
    address = Address(layout_of(world, instance).host, layout_of(world, instance).port)
    until(lambda: world.listens(instance, address))


def stop(world: World, instance: Instance, *, force: bool = False) -> None:
    """Ask until it has stopped."""

    def stopped() -> bool:
        world.runtime.stop(instance.id, force=force)
        return state_of(world, instance) is not InstanceState.STOPPING

    until(stopped)


def state_of(world: World, instance: Instance) -> InstanceState:
    return world.runtime.status(instance.id).state


def job_of(instance: Instance, job_id: str = "job-1", **changes: object) -> JobSpec:
    fields: dict[str, object] = {
        "id": job_id,
        "instance_id": instance.id,
        "release": instance.release,
        "argv": ("/bin/sh", "-c", _JOB),
        "memory": 64 * MIB,
        "cpu": 1.0,
        "pids": 20,
        "data": DataAccess.NONE,
    }
    return JobSpec(**(fields | changes))  # type: ignore[arg-type]


def until(condition: Callable[[], bool]) -> None:
    assert processes.wait_until(condition, SECONDS)
