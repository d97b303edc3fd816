"""The catalogue of technologies, versions and plans, read from `catalogue.toml` and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import sha256
from importlib.resources import files
from itertools import pairwise

import msgspec

from dbyard import catalogue_shape as shape
from dbyard.errors import ConfigError, Invalid
from dbyard.model import Plan, Technology, Version
from dbyard.recipes import SharedRecipe

ONE_NODE = "one node"
NO_STANDBY = "one node for now: the standby of this class is not available yet"
CLASSES = {
    "starter": ("Starter", ONE_NODE),
    "business": ("Business", NO_STANDBY),
    "enterprise": ("Enterprise", NO_STANDBY),
}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Technologies by their slug, which is also their provider id; `tools` are programs for the platform itself.

    A variant has the servers of another technology (its base) under another slug and with other plans.
    """

    technologies: Mapping[str, Technology]
    tools: Mapping[str, Version]
    variants: Mapping[str, Technology] = field(default_factory=dict)

    @property
    def all(self) -> list[Technology]:
        """Technologies and variants: everything that a client can ask for."""
        return [*self.technologies.values(), *self.variants.values()]

    def get(self, slug: str) -> Technology:
        """The technology or variant of a database, by slug; LookupError if it has left the catalogue."""
        return self.technologies.get(slug) or self.variants[slug]

    def technology(self, key: str) -> Technology | None:
        """By slug or alias."""
        found = self.technologies.get(key) or self.variants.get(key)
        return found or next((each for each in self.technologies.values() if key in each.aliases), None)

    def plan(self, technology: str, key: str) -> Plan | None:
        """By plan id or name, among the plans of this technology; of a variant also among those of its base."""
        found = self.technology(technology)
        if found is None:
            return None
        return _pick_plan(found.plans, key) or (self.plan(found.base, key) if found.base else None)

    def find_plan(self, key: str) -> Plan | None:
        """By plan id or name, in any technology."""
        found = (_pick_plan(technology.plans, key) for technology in self.all)
        return next((plan for plan in found if plan), None)

    def version(self, technology: str, version: str | None = None) -> Version:
        """The requested version, or the default one; Invalid on field `technology` or `version` if there is none."""
        found = self.technology(technology)
        if found is None:
            raise Invalid({"technology": [_must_be(self.technologies)]})
        if version is None:
            return found.default_version
        for each in found.versions:
            if each.version == version:
                return each
        raise Invalid({"version": [_must_be(each.version for each in found.versions)]})


@cache
def load() -> Catalogue:
    """The catalogue of this package; ConfigError if it is malformed."""
    return parse(files("dbyard").joinpath("catalogue.toml").read_text())


def parse(text: str) -> Catalogue:
    """A catalogue from TOML; ConfigError says what is wrong and where."""
    try:
        document = msgspec.convert(tomllib.loads(text), shape.Document)
        technologies = {slug: _technology(slug, table) for slug, table in document.technologies.items()}
        catalogue = Catalogue(
            technologies,
            {name: _version(name, table) for name, table in document.tools.items()},
            {slug: _variant(slug, table, technologies) for slug, table in document.variants.items()},
        )
        _refuse_unshared(catalogue)
        _refuse_repeated("slug or alias", _names(catalogue))
        _refuse_repeated("plan", (plan.name for each in catalogue.all for plan in each.plans))
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, ValueError) as error:
        raise ConfigError(f"The catalogue is malformed: {error}") from error
    return catalogue


# ---- from the file to the model ---------------------------------------------------------------------------------


def _technology(slug: str, table: shape.Technology) -> Technology:
    versions = tuple(_version(slug, each) for each in table.versions)
    _refuse_repeated(f"{slug} version", (each.version for each in versions))
    if sum(each.default for each in versions) != 1:
        raise ValueError(f"{slug} must have one default version")
    if sum(each.stands_in for each in versions) > 1 or any(each.stands_in and each.on_request for each in versions):
        raise ValueError(f"{slug}: one version at most stands in for the default one, and it is installed by default")
    return Technology(
        slug,
        table.engine or slug,
        table.name,
        table.description,
        table.aliases,
        table.overhead_mb,
        table.minimum_mb,
        versions,
        tuple(_plans(slug, table.plans, table.minimum_mb)),
        table.spares,
        table.slow_start,
        table.in_memory,
        table.variables,
    )


def _variant(slug: str, table: shape.Variant, technologies: Mapping[str, Technology]) -> Technology:
    base = technologies.get(table.base)
    if base is None:
        raise ValueError(f"{slug}: its base {table.base} is not in the catalogue")
    return replace(
        base,
        slug=slug,
        name=table.name,
        description=table.description,
        aliases=(),
        plans=tuple(_plans(slug, table.plans, base.minimum_mb)),
        base=base.slug,
    )


def _version(technology: str, table: shape.Version) -> Version:
    return Version(
        technology=technology,
        version=table.version,
        server=table.server,
        licence=table.licence,
        command=table.command,
        recipe=table.recipe,
        fallback=table.fallback,
        default=table.default,
        on_request=table.on_request,
        running_spares=table.running_spares,
        preferred=table.preferred,
        backups=table.backups,
        users=table.users,
        stands_in=table.stands_in,
        version_argument=table.version_argument,
        works_with=table.works_with,
        lacks=table.lacks,
        notice=table.notice,
    )


def _plans(slug: str, table: shape.Plans, minimum: int) -> Iterator[Plan]:
    for points in (table.connections, table.cpu):
        _refuse_unsorted(slug, points)
    ranges = {kind: ends for kind in CLASSES if (ends := getattr(table, kind))}
    sizes = [(kind, size) for kind, ends in ranges.items() for size in _powers_of_two(slug, ends)]
    for kind, size in sizes:
        if size < minimum:
            raise ValueError(f"{table.prefix}-{kind}-{size}: a server of {slug} needs at least {minimum} MB of memory")
    # By memory first, so that data of one plan fit into the next.
    ordered = sorted(sizes, key=lambda each: each[1])
    for position, (kind, memory) in enumerate(ordered, start=1):
        yield _plan(slug, table, kind, memory, position)


def _plan(slug: str, table: shape.Plans, kind: str, memory: int, position: int) -> Plan:
    name = f"{table.prefix}-{kind}-{memory}"
    title, nodes = CLASSES[kind]
    disk = memory * table.disk_gb_per_gb
    connections = int(_on_line(table.connections, memory))
    return Plan(
        id=sha256(name.encode()).hexdigest()[:24],
        name=name,
        display_name=f"{title} {_size(memory)}",
        description=f"{_size(memory)} of memory, {_size(disk)} of disk, {connections} connections, {nodes}",
        technology=slug,
        memory_mb=memory,
        disk_mb=disk,
        connections=connections,
        cpu=_on_line(table.cpu, memory),
        position=position,
    )


def _powers_of_two(slug: str, ends: tuple[int, int]) -> list[int]:
    first, last = ends
    sizes = [first << step for step in range((last // first).bit_length())]
    if sizes[-1:] != [last]:
        raise ValueError(f"{slug}: {last} is not {first} times a power of two")
    return sizes


def _on_line(points: Sequence[tuple[int, int]], at: int) -> float:
    """The value at `at` on the line through the points, flat before the first and after the last."""
    for (x0, y0), (x1, y1) in pairwise(points):
        if x0 <= at <= x1:
            return y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    return float(points[0][1] if at < points[0][0] else points[-1][1])


def _size(megabytes: int) -> str:
    return f"{megabytes // 1024}G" if megabytes % 1024 == 0 else f"{megabytes}M"


def _pick_plan(plans: Sequence[Plan], key: str) -> Plan | None:
    by_id = next((plan for plan in plans if plan.id == key), None)
    return by_id or next((plan for plan in plans if plan.name == key), None)


def _names(catalogue: Catalogue) -> Iterator[str]:
    for technology in catalogue.all:
        yield from (technology.slug, *technology.aliases)
    yield from catalogue.tools


def _must_be(values: Iterable[str]) -> str:
    return f"must be one of {', '.join(values)}"


def _refuse_repeated(what: str, values: Iterable[str]) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{what} {value} is there twice")
        seen.add(value)


def _refuse_unshared(catalogue: Catalogue) -> None:
    for technology in catalogue.technologies.values():
        for version in technology.versions:
            recipe = version.recipe
            if isinstance(recipe, SharedRecipe):
                other = catalogue.technologies.get(recipe.technology)
                if other is None or version.version not in (each.version for each in other.versions):
                    raise ValueError(f"{technology.slug}: there is no {recipe.technology} {version.version} to share")


def _refuse_unsorted(slug: str, points: Sequence[tuple[int, int]]) -> None:
    sizes = [memory for memory, _ in points]
    if sizes != sorted(set(sizes)):
        raise ValueError(f"{slug}: the points {list(points)} must go up in memory")
