"""Databases and the instances that serve them."""

from __future__ import annotations

from dataclasses import dataclass

from dbyard.model.constants import ADDON_PREFIX
from dbyard.model.states import Restriction


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
