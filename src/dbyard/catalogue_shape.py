"""The tables of `catalogue.toml` and their fields. Rules across tables are checked in `catalogue`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from dbyard.recipes import Recipe, Slug, Text

Positive = Annotated[int, msgspec.Meta(gt=0)]
Points = Annotated[tuple[tuple[Positive, Positive], ...], msgspec.Meta(min_length=1)]
Variable = Annotated[str, msgspec.Meta(pattern=r"^[A-Z]+(_[A-Z]+)*$")]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Version(Table, frozen=True):
    version: Annotated[str, msgspec.Meta(pattern=r"^\d+(\.\d+)*$")]
    server: Text
    licence: Text
    command: Text
    recipe: Recipe
    fallback: Recipe | None = None
    default: bool = False
    on_request: bool = False
    running_spares: bool = False
    preferred: bool = False
    backups: bool = True
    users: bool = True
    stands_in: bool = False
    version_argument: Text = "--version"
    works_with: str = ""
    lacks: str = ""
    notice: str = ""


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


class Variant(Table, frozen=True):
    base: Slug
    name: Text
    description: Text
    plans: Plans


class Document(Table, frozen=True):
    technologies: dict[Slug, Technology]
    variants: dict[Slug, Variant] = {}
    tools: dict[Slug, Version] = {}
