"""What engines and runtimes tell each other of a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NewType

from dbyard.model.catalogue import Plan
from dbyard.model.desired import User
from dbyard.model.states import DataAccess, InstanceState, JobStatus, Restriction

Placement = NewType("Placement", str)
"""Where an instance lives: JSON text that only its runtime reads. The platform stores it as it is."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a runtime has given an instance. `lineage` names the data: their admin's password is derived from it.

    Data that are copied (a standby, a restored backup) keep the lineage of those that they come from.
    """

    placement: Placement
    lineage: str


@dataclass(frozen=True, slots=True)
class Release:
    """Which build of a server runs, wherever it runs: a program tree of a machine, or an image of a container."""

    technology: str
    version: str
    full_version: str


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
    """For servers that forget at a restart what `configure` has told them."""
    admin_only: bool = False
    """Only the platform can log in, so that no tenant holds up what `configure` changes."""
    hidden: bool = False
    """With `admin_only`: it listens where only the platform finds it, if strangers could hold it up otherwise."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """As those of `Desired`."""
    users: tuple[User, ...] = ()
    """Those beside the tenant's own, for servers that know at a start what stands in their files only."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths and address of an instance as its own server sees them.

    `data` and `log` belong to the server, `conf` is read-only for it, `run` is its scratch space. `inner_port` is the
    server's own second port, for those that need one; never a tenant's.
    """

    host: str
    port: int
    inner_port: int
    data: Path
    conf: Path
    log: Path
    run: Path
    bin: Path
    root: Path
    full_version: str = field(default="", kw_only=True)
    """The server's, as its installation tells it: for engines that know more than one server."""


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
class InstanceStatus:
    """What an instance does now. `exit` tells how a server ended that nobody stopped; None in any other state."""

    state: InstanceState
    reason: str = ""
    exit: ExitStatus | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """What carries a job's standard output into an object of the archive (`put`), or an object to its input (`get`).

    It stands beside the job and outside its sandbox. `order` is text that only the archive reads; it holds keys.
    """

    direction: Literal["put", "get"]
    order: str = field(repr=False)
    adds: bool = False
    """What is read joins the data that are there."""
    reports: bool = False
    """The job's result is the program's own, and not that of what is carried."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program of an engine's that a job runs: what the engine knows of it, see `JobSpec`."""

    argv: tuple[str, ...]
    stdin: str = field(default="", repr=False)
    env: Mapping[str, str] = field(default_factory=dict)
    data: DataAccess = DataAccess.NONE
    files: tuple[File, ...] = ()
    connects: bool = False
    memory: int | None = None
    """In bytes; None for what is enough for most tools."""
    python: bool = False
    """`argv` is what the platform's own Python is given, see `JobSpec`."""


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A program that runs to its end beside an instance, with limits of its own.

    It starts in an empty work directory, which is its HOME and TMPDIR too; the paths of `files` are relative to that.
    `stdin` is for secrets. `memory` is in bytes, `cpu` in cores, `pids` counts processes and threads. The program may
    append lines `DONE TOTAL UNIT` or `DONE` to the file named by DBYARD_PROGRESS, and write its result, at most
    64 KiB of text, to the one named by DBYARD_RESULT.
    """

    id: str
    instance_id: str
    release: Release
    """The build whose programs it finds on its PATH."""
    argv: tuple[str, ...]
    memory: int
    cpu: float
    pids: int
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: str = field(default="", repr=False)
    data: DataAccess = DataAccess.NONE
    """What it may do with the data directory of its instance."""
    files: tuple[File, ...] = ()
    connects: bool = False
    """Whether it may connect to anybody, as to a server that it copies."""
    transfer: Transfer | None = None
    """With one, progress and result of the job are those of what is carried, and with `get` there is no `stdin`.

    With `get` and WRITE the data directory is emptied before, unless the transfer adds to what is there: an attempt
    begins where the first one began.
    """
    nice: int = 0
    """From 1 on its processor time and its reads and writes are what others leave."""
    python: bool = False
    """`argv` is what the platform's own Python is given, in the same sandbox: it sees the machine's system, the
    platform's packages and, at its own path, the release. DBYARD_ROOT is the release's root where that is a whole one,
    DBYARD_LIBRARIES are the directories of its libraries."""


@dataclass(frozen=True, slots=True)
class Progress:
    done: float
    total: float | None = None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class JobState:
    """`code` is the exit code of a failed job, a signal as a negative number, None if nobody knows it."""

    state: JobStatus
    progress: Progress | None = None
    code: int | None = None
    reason: str = ""
    """Why it failed, where `code` does not tell."""
    log_tail: tuple[str, ...] = ()
    """The last lines that it printed, oldest first."""
    result: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an instance uses at this moment: processor time in seconds since it was started, memory in bytes.

    `memory` leaves out what the system only caches and takes back at will; `bytes_written` is what the processes that
    live have sent to disks. None where this machine does not tell.
    """

    cpu_seconds: float | None
    memory: int | None
    memory_peak: int | None
    swap: int | None
    bytes_written: int | None = None


@dataclass(frozen=True, slots=True)
class Capacity:
    """The size of a file system, or of a machine's memory, and what is left of it, in bytes."""

    total: int
    free: int
