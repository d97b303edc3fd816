"""A home with a real local runtime, and a small program of ours as the server: the runtime cares for no technology."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dbyard import installations
from dbyard.model import (
    MIB,
    Allocation,
    Command,
    File,
    Installation,
    InstanceSpec,
    InstanceState,
    Layout,
    ProcessSpec,
    Release,
)
from dbyard.runtimes.local import LocalRuntime, processes, slots
from dbyard.runtimes.local.slots import Slot
from tests.disks import make_directory
from tests.ports import PLATFORMS, bounds

SERVER = """
import os, signal, socket, sys, time
if os.environ.get("DEAF"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.environ.get("CHILD") and os.fork() == 0:
    time.sleep(1000)
print("listening", flush=True)
listener = socket.create_server((sys.argv[2], int(sys.argv[3])))
if os.environ.get("WRITES"):
    while not os.path.exists(sys.argv[1] + "/go"):
        time.sleep(0.01)
    os.mkdir(sys.argv[1] + "/made")
    open(sys.argv[1] + "/made/file", "w").close()
while True:
    listener.accept()[0].close()
    if os.environ.get("GREEDY"):
        bytearray(512 * 1024 * 1024)
    if os.environ.get("EXIT"):
        sys.exit(int(os.environ["EXIT"]))
"""


@dataclass(frozen=True, slots=True)
class Server:
    """An instance that a test plays with."""

    runtime: LocalRuntime
    id: str
    allocation: Allocation
    release: Release

    @property
    def layout(self) -> Layout:
        return self.runtime.layout(self.id, self.allocation.placement, self.release)

    @property
    def directory(self) -> Path:
        return self.layout.data.parent

    @property
    def slot(self) -> Slot:
        return slots.read(self.directory) or slots.parse(self.allocation.placement)

    @property
    def state(self) -> InstanceState:
        return self.runtime.status(self.id).state

    def spec(self, generation: int = 1, init: tuple[Command, ...] = (), **env: str) -> InstanceSpec:
        layout = self.layout
        program = layout.conf / "server.py"
        return InstanceSpec(
            id=self.id,
            generation=generation,
            processes=(
                ProcessSpec(
                    name="server",
                    argv=("/usr/bin/python3", str(program), str(layout.data), layout.host, str(layout.port)),
                    env=env,
                    address_space=None,
                    stop_signal=signal.SIGTERM,
                    stop_grace=0.5,
                ),
            ),
            init=init,
            files=(File(program, SERVER),),
            memory=64 * MIB,
            cpu=1.0,
            pids=20,
            disk=MIB,
        )

    def start(self, generation: int = 1, init: tuple[Command, ...] = (), **env: str) -> None:
        self.runtime.ensure(self.spec(generation, init, **env), self.allocation.placement, self.release)

    def stop(self, *, force: bool = False) -> None:
        """Ask until it has stopped."""

        def stopped() -> bool:
            self.runtime.stop(self.id, force=force)
            return self.state is not InstanceState.STOPPING

        assert processes.wait_until(stopped, 10)

    def accepts(self) -> bool:
        with socket.socket() as client:
            client.settimeout(1)
            return client.connect_ex((self.layout.host, self.layout.port)) == 0


@pytest.fixture
def home() -> Iterator[Path]:
    directory = make_directory()
    directory.chmod(0o711)
    yield directory / "home"
    shutil.rmtree(directory)


@pytest.fixture
def program() -> Release:
    return Release("echo", "1", "1.0")


def find(technology: str, version: str, full_version: str | None = None, *, whole: bool = True) -> Installation | None:
    """The Python of the system, as if it were a database server."""
    return Installation(technology, version, full_version or "1.0", Path("/usr/bin"), (), Path("/usr"), "system")


@pytest.fixture
def open_runtime(home: Path) -> Iterator[Callable[..., LocalRuntime]]:
    """Opens the runtime of a home, as often as a test wants; in the end nothing of them runs."""
    opened: list[LocalRuntime] = []

    def open_it(
        where: Path | None = None, ports: tuple[int, int] | None = None, sandboxed: bool = True
    ) -> LocalRuntime:
        bwrap = installations.find_tool("bwrap") if sandboxed else None
        opened.append(LocalRuntime(where or home, "127.0.0.1", ports or bounds(PLATFORMS), bwrap, find))
        return opened[-1]

    yield open_it
    for runtime in opened:
        for instance_id in runtime.list_instances():
            runtime.destroy(instance_id, sys.maxsize)
    for runtime in opened:
        for spare in (runtime._home.path / "spares").glob(".*"):
            runtime.spares.discard(spare.name.removeprefix("."))
        for running in runtime.spares.list(running=True):
            runtime.spares.discard(running.id)
        for endpoint in (runtime._home.path / "endpoints").iterdir():
            runtime.unpublish(endpoint.stem)


@pytest.fixture
def runtime(open_runtime: Callable[..., LocalRuntime]) -> LocalRuntime:
    return open_runtime()


@pytest.fixture
def server(runtime: LocalRuntime, program: Release) -> Server:
    return place(runtime, program)


def place(
    runtime: LocalRuntime, program: Release, generation: int = 1, plan: str | None = None, lineage: str | None = None
) -> Server:
    instance_id = os.urandom(12).hex()
    return Server(
        runtime, instance_id, runtime.allocate(instance_id, generation, program, plan=plan, lineage=lineage), program
    )
