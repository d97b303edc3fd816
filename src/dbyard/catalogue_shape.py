"""The shape of `catalogue.toml`: its tables and what stands in them, each checked for itself alone."""

from __future__ import annotations

from typing import Annotated

import msgspec

Slug = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Positive = Annotated[int, msgspec.Meta(gt=0)]
Points = Annotated[tuple[tuple[Positive, Positive], ...], msgspec.Meta(min_length=1)]
Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
Pinned = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]+==[0-9a-z.]+$")]
Variable = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]+(_[A-Z]+)*$")]
RelativePath = Annotated[str, msgspec.Meta(pattern=r"^[^/.][^/]*(/[^/.][^/]*)*$")]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Debian(Table, frozen=True):
    packages: Annotated[tuple[Slug, ...], msgspec.Meta(min_length=1)]
    bin: RelativePath


class Wheel(Table, frozen=True):
    distribution: Slug
    version: Text
    sha256: Digest
    bin: RelativePath


class Python(Table, frozen=True):
    module: Text
    python: Text
    packages: Annotated[dict[Pinned, Digest], msgspec.Meta(min_length=1)]


class Found(Table, frozen=True):
    variable: Annotated[str, msgspec.Meta(pattern=r"^DBYARD_[A-Z]+$")]


class Maven(Table, frozen=True):
    assembly: Text
    packages: Annotated[tuple[Slug, ...], msgspec.Meta(min_length=1)]
    prepare: Text


class Shared(Table, frozen=True):
    technology: Slug


class Go(Table, frozen=True):
    module: Text
    release: Text
    sum: Annotated[str, msgspec.Meta(pattern=r"^h1:[A-Za-z0-9+/]{43}=$")]
    package: RelativePath
    toolchain: Wheel


class Version(Table, frozen=True):
    version: Annotated[str, msgspec.Meta(pattern=r"^\d+(\.\d+)*$")]
    server: Text
    licence: Text
    command: Text
    default: bool = False
    on_request: bool = False
    running_spares: bool = False
    preferred: bool = False
    version_argument: Text = "--version"
    works_with: str = ""
    lacks: str = ""
    notice: str = ""
    debian: Debian | None = None
    wheel: Wheel | None = None
    python: Python | None = None
    found: Found | None = None
    maven: Maven | None = None
    shared: Shared | None = None
    go: Go | None = None


class Plans(Table, frozen=True):
    prefix: Slug
    starter: tuple[Positive, Positive]
    business: tuple[Positive, Positive]
    disk_gb_per_gb: Positive
    connections: Points
    cpu: Points
    enterprise: tuple[Positive, Positive] | None = None


class Technology(Table, frozen=True):
    name: Text
    description: Text
    aliases: tuple[Slug, ...]
    variables: tuple[Variable, Variable]
    overhead_mb: Positive
    minimum_mb: Positive
    versions: Annotated[tuple[Version, ...], msgspec.Meta(min_length=1)]
    plans: Plans
    engine: str = ""
    spares: bool = True
    slow_start: bool = False
    in_memory: bool = False


class Offer(Table, frozen=True):
    servers_of: Slug
    name: Text
    description: Text
    plans: Plans


class Document(Table, frozen=True):
    technologies: dict[Slug, Technology]
    offers: dict[Slug, Offer] = {}
    tools: dict[Slug, Version] = {}
