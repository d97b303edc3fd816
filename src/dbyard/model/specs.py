"""What engines and runtimes tell each other of a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NewType

from dbyard.model.catalogue import Plan
from dbyard.model.states import Restriction

Placement = NewType("Placement", str)
"""Where an instance lives: JSON text that only its runtime reads."""


@dataclass(frozen=True, slots=True)
class Release:
    """A build of a database server, wherever it runs."""

    technology: str
    version: str
    full_version: str


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a runtime has given an instance. `lineage` tells where its data come from: the admin's password does."""

    placement: Placement
    lineage: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM texts: a leaf certificate, its PKCS8 key, and the authority that signed it."""

    certificate: str
    key: str
    authority: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """All secrets of one instance. `user` is the tenant; the admin's name is the engine's own affair.

    While a server runs for nobody yet, `user` and `password` are empty, and there is no tenant in it.
    """

    admin_password: str = field(repr=False)
    user: str
    password: str = field(repr=False)
    database: str
    certificate: Certificate = field(repr=False)


@dataclass(frozen=True, slots=True)
class RenderInput:
    """What an engine needs to know of an instance to render it."""

    id: str
    generation: int
    plan: Plan
    overhead_mb: int
    restriction: Restriction = Restriction.NONE
    """For servers that forget at a restart what `restrict` has told them."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths and address of an instance as its own server sees them.

    `data` and `log` belong to the server, `conf` is read-only for it, `run` is its scratch space.
    """

    host: str
    port: int
    data: Path
    conf: Path
    log: Path
    run: Path
    bin: Path
    root: Path
    full_version: str = field(default="", kw_only=True)
    """The server's, as its installation tells it: for engines that know more than one server."""

    @property
    def inner_port(self) -> int:
        """The server's own second port, for those that insist on one; never a tenant's."""
        return self.port + 1


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class File:
    """A file of `conf`, written whole before the server starts; only the server's uid and root can read it.

    Bytes that are no UTF-8 stand in `content` as Python's surrogate escapes.
    """

    path: Path
    content: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Command:
    """A program that runs to its end in the instance's sandbox; secrets go through `stdin`, never through argv."""

    argv: tuple[str, ...]
    stdin: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A long-running program of an instance: the server itself, or one that stands beside it.

    `stop_grace` is in seconds. `address_space` is RLIMIT_AS in bytes, below the instance's memory, so that one query
    fails before the server is killed; None for no limit. `memory_exit` is the exit code by which the program gives up
    when its work needs more memory than it may have.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    address_space: int | None
    stop_signal: int
    stop_grace: float
    memory_exit: int | None = None


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """An instance as an engine wants it and a runtime starts it; the limits hold for all of its processes together.

    `memory` and `disk` are in bytes, `cpu` in cores, `pids` counts processes and threads. `init` commands run before
    the first start, with the server's environment.
    """

    id: str
    generation: int
    processes: tuple[ProcessSpec, ...]
    """The server first."""
    init: tuple[Command, ...]
    files: tuple[File, ...]
    memory: int
    cpu: float
    pids: int
    disk: int

    @property
    def server(self) -> ProcessSpec:
        return self.processes[0]


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """What is known of how a server ended. `status`: its exit code, a signal as a negative number, None if not told."""

    status: int | None
    memory_kill: bool
    """The kernel killed something of the instance's, since it was started, for its memory limit."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an instance uses at this moment: processor time in seconds since it was started, memory in bytes.

    `memory` leaves out what the system only caches and takes back at will. None where this machine does not tell.
    """

    cpu_seconds: float | None
    memory: int | None
    memory_peak: int | None
    swap: int | None


@dataclass(frozen=True, slots=True)
class Capacity:
    """The size of a file system, or of a machine's memory, and what is left of it, in bytes."""

    total: int
    free: int
