"""A platform as its users have it: `dbyard serve` in a process of its own, on a fresh home, with real servers."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from dbyard import catalogue, daemon, installations, wire
from dbyard.client import Client, wait_usable
from dbyard.errors import DbyardError
from dbyard.runtimes.local import LocalRuntime, cgroups, ports, processes, slots
from dbyard.runtimes.local.processes import Process
from tests.disks import make_directory
from tests.ports import PLATFORMS, bounds

T = TypeVar("T")

SERVE = ("-m", "dbyard", "serve")
_TABLES = ("database", "instance", "credential", "operation", "operation_event", "idempotency")


@dataclass
class Platform:
    """One home and the process that serves it, if one does. `environment` is added to every start's own."""

    home: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    listen: str = "127.0.0.1:0"
    process: subprocess.Popen[bytes] | None = None
    url: str = ""
    uids: set[int] = field(default_factory=set)
    """The uids of the servers that were seen here."""
    wrap: Callable[[Sequence[str]], list[str]] = list
    """Turns the platform's argv into the one that is started; the pid must stay."""

    def start(self, *, program: tuple[str, ...] = SERVE, **environment: str) -> Platform:
        """Serve the home; returns once requests are accepted."""
        self.launch(program=program, **environment)
        self.url = self._await_line(r"accepts requests on (\S+)")[1]
        return self

    def launch(self, *, program: tuple[str, ...] = SERVE, **environment: str) -> subprocess.Popen[bytes]:
        """Serve the home, or fail to: does not wait."""
        argv = [sys.executable, *program, "--home", str(self.home), "--listen", self.listen]
        env = {**os.environ, **self.environment, **environment}
        with self._out.open("wb") as out, self._err.open("ab") as err:
            self.process = subprocess.Popen(self.wrap(argv), env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        return self.process

    def kill(self) -> None:
        """As kill -9 does it: nothing is tidied up."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def terminate(self) -> float:
        """As SIGTERM does it; the seconds that it took."""
        assert self.process is not None
        started = time.monotonic()
        self.process.terminate()
        assert self.process.wait(30) == 0, self.log()
        self.process = None
        return time.monotonic() - started

    def stop(self) -> None:
        """As `dbyard stop` does it: the platform and all of its servers."""
        argv = [sys.executable, "-m", "dbyard", "stop", "--home", str(self.home)]
        done = subprocess.run(argv, env={**os.environ, **self.environment}, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        if self.process is not None:
            self.process.wait(10)
            self.process = None

    def client(self) -> Client:
        return Client(self.url, (self.home / "admin-token").read_text().strip())

    def create(
        self, name: str, technology: str, version: str | None = None, *, seconds: float = 120
    ) -> wire.Connection:
        """A new database of the smallest plan that answers."""
        with self.client() as client:
            client.create_database(new_database(name, technology, version))
            return self.await_usable(name, seconds=seconds, client=client)

    def await_usable(self, name: str, *, seconds: float = 120, client: Client | None = None) -> wire.Connection:
        with closing(client or self.client()) as asking:
            try:
                connection = wait_usable(asking, name, timeout=seconds, report=lambda _: None)
            except DbyardError as error:
                latest = asking.list_operations(name)[0]
                pytest.fail(f"{name} cannot be used: {error}\n{latest}\n{self.log()}")
        self.uids.add(slots.UID_BASE + connection.port)
        return connection

    def await_operation(
        self, name: str, wanted: Callable[[wire.Operation], object], seconds: float = 120
    ) -> wire.Operation:
        """The newest operation of the database, once it is as wanted."""
        with self.client() as client:
            wait_for(lambda: wanted(client.list_operations(name)[0]), lambda: f"{name}\n{self.log()}", seconds)
            return client.list_operations(name)[0]

    def latest(self, name: str) -> wire.Operation:
        """The database's newest operation."""
        with self.client() as client:
            return client.list_operations(name)[0]

    def delete(self, name: str) -> None:
        """Delete a database and wait until nothing of it is left; the platform may hold no other."""
        with self.client() as client:
            client.delete_database(name, confirm=name)
        self.await_nothing_left()

    def await_nothing_left(self, seconds: float = 120) -> None:
        """The promise is 15 seconds; a machine that runs other tests beside gets more."""
        wait_for(lambda: not self.leftovers(), lambda: f"left over: {self.leftovers()}\n{self.log()}", seconds)

    def leftovers(self) -> list[str]:
        """What is on this machine of databases of this home, finished spares aside."""
        found = [f"row of {table}" for table, count in self._rows().items() if count]
        places = [self.home / name for name in ("instances", "trash", "endpoints", "jobs")]
        found += [str(path) for place in places if place.is_dir() for path in place.iterdir()]
        found += [str(path) for path in (self.home / "spares").glob(".*")]
        spared = {read_json(path / "placement.json")["port"] for path in (self.home / "spares").glob("[!.]*")}
        found += [f"claim of port {port}" for port in claimed_ports(self.home) - spared]
        found += [str(path) for path in cgroups_of(self.home)]
        return found + [f"process {process.pid} {process.argv}" for process in self.servers()]

    def servers(self) -> list[Process]:
        """All living processes of this home but the platform itself."""
        own = self.process.pid if self.process else 0
        return [process for process in every_process() if process.pid != own and self._is_mine(process)]

    def server(self, port: int) -> Process:
        """The server on that port, as the platform has recorded it."""
        found = processes.read(read_json(self.directory(port) / "process.json")["pid"])
        assert found is not None, f"the server on port {port} does not run"
        return found

    def directory(self, port: int) -> Path:
        """Where the instance lives to which the endpoint on that port leads."""
        endpoints = [json.loads(path.read_text()) for path in self.home.glob("endpoints/[!.]*.json")]
        found: str = next(each["instance"] for each in endpoints if each["port"] == port)
        return self.home / "instances" / found

    def memory_limit(self, port: int) -> int | None:
        """Bytes that the control group of the instance on that port holds it to; None where there is none."""
        names = ("memory.max", "memory.limit_in_bytes")
        found = [group / name for group in cgroups_of(self.home) for name in names]
        own = [path for path in found if path.parent.name.endswith(self.directory(port).name) and path.exists()]
        return int(own[0].read_text()) if own else None

    def log(self) -> str:
        """What the platform said last, for whoever reads a failure."""
        return "\n".join(self._err.read_text(errors="replace").splitlines()[-60:])

    def destroy(self) -> None:
        """End everything of this home, by its own processes' pids, and remove it."""
        self.end_servers()
        shutil.rmtree(self.home.parent)

    def end_servers(self) -> None:
        """Also the platform; afterwards only files are left. Where nothing can be written, servers are killed only."""
        self.kill()
        if daemon.is_readonly(self.home):
            kill_processes(self.servers())
        elif self.home.is_dir():
            runtime = LocalRuntime(self.home, "127.0.0.1", bounds(PLATFORMS), None, installations.find)
            for instance_id in runtime.list_instances():
                runtime.destroy(instance_id, sys.maxsize)
            for spare in runtime.spares.list(running=True):
                runtime.spares.discard(spare.id)
        for port in claimed_ports(self.home):
            (ports.claims_directory() / str(port)).unlink(missing_ok=True)
        for path in cgroups_of(self.home):
            path.rmdir()

    @property
    def _out(self) -> Path:
        return self.home.parent / "stdout.log"

    @property
    def _err(self) -> Path:
        return self.home.parent / "stderr.log"

    def _await_line(self, pattern: str) -> re.Match[str]:
        assert self.process is not None
        process = self.process

        def said() -> re.Match[str] | None:
            ended = process.poll() is not None
            found = re.search(pattern, self._out.read_text())
            assert found or not ended, f"the platform ended with {process.returncode}:\n{self.log()}"
            return found

        return wait_for(said, lambda: f"the platform does not accept requests:\n{self.log()}", 60)

    def _rows(self) -> dict[str, int]:
        with closing(sqlite3.connect(f"file:{self.home}/state/dbyard.db?mode=ro", uri=True)) as connection:
            return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in _TABLES}  # noqa: S608

    def _is_mine(self, process: Process) -> bool:
        if any(str(self.home) in part for part in process.argv):
            return True
        with suppress(OSError):
            return os.stat(f"/proc/{process.pid}").st_uid in self.uids
        return False


@contextmanager
def platform(**environment: str) -> Iterator[Platform]:
    """A platform on a fresh home, not started yet; in the end nothing of it is left. No spares unless asked for."""
    directory = make_directory()
    directory.chmod(0o711)
    (directory / "stderr.log").touch()
    first, last = bounds(PLATFORMS)
    ports = {"DBYARD_FIRST_PORT": str(first), "DBYARD_LAST_PORT": str(last)}
    made = Platform(
        directory / "home",
        {
            **ports,
            "DBYARD_SPARES": "0",
            "DBYARD_RUNNING_SPARES": "0",
            "DBYARD_SCHEDULED_BACKUPS": "0",
            "PYTHONUNBUFFERED": "1",
            **environment,
        },
    )
    try:
        yield made
    finally:
        made.destroy()


def wait_for(found: Callable[[], T | None], message: Callable[[], str], seconds: float) -> T:
    """Poll until there is something; fails with the message when there is nothing in time."""
    deadline, pause = time.monotonic() + seconds, 0.005
    while not (value := found()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:g} s: {message()}")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    return value


def new_database(name: str, technology: str, version: str | None = None) -> wire.NewDatabase:
    """Of the smallest plan and, if no version is said, of one that this machine has."""
    known = catalogue.load().technologies[technology]
    return wire.NewDatabase(name, technology, known.plans[0].name, version=version or installed(technology))


def installed(technology: str) -> str:
    """The default version of a technology, else any other that is here; skips or fails when there is none."""
    versions = sorted(catalogue.load().technologies[technology].versions, key=lambda version: not version.default)
    for version in versions:
        if installations.find(technology, version.version) is not None:
            return version.version
    require(technology, versions[0].version)
    raise AssertionError("never reached")


def require(technology: str, version: str) -> None:
    """A server that is missing is a failure where everything must be tested, else, or on request, a reason to skip."""
    if installations.find(technology, version) is not None:
        return
    on_request = catalogue.load().version(technology, version).on_request
    reason = f"{technology} {version} is missing: dbyard engines install {technology}@{version}"
    (pytest.fail if os.environ.get("CI") == "true" and not on_request else pytest.skip)(reason)


def every_process() -> Iterator[Process]:
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (process := processes.read(int(entry))):
            yield process


def claimed_ports(home: Path) -> set[int]:
    """The ports that the home has on this machine."""
    found: set[int] = set()
    for path in ports.claims_directory().glob("[0-9]*"):
        with suppress(FileNotFoundError, ValueError):  # given back, or half written by another home
            if json.loads(path.read_text())["home"] == str(home):
                found.add(int(path.name))
    return found


def cgroups_of(home: Path) -> list[Path]:
    """The control groups of the home's servers."""
    known = _probe(home)
    if known is None:
        return []
    return [path for root in sorted(set(known.roots.values())) for path in root.glob(f"{known.prefix}*")]


def has_cgroups(home: Path) -> bool:
    return _probe(home) is not None


def kill_processes(found: list[Process]) -> None:
    """kill -9 of all of them at once."""
    for process in found:
        with processes.open_pidfd(process) as fd:
            if fd is not None:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
    wait_for(lambda: not any(map(processes.is_alive, found)), lambda: f"they do not die: {found}", 10)


def read_json(path: Path) -> dict[str, int]:
    value: dict[str, int] = json.loads(path.read_text())
    return value


def _probe(home: Path) -> cgroups.Cgroups | None:
    return cgroups.probe(hashlib.sha256(str(home).encode()).hexdigest()[:12])
