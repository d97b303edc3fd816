"""Databases, the instances that serve them, and the endpoints that lead to those."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from dbyard.model.settings import Settings
from dbyard.model.specs import Address, Placement
from dbyard.model.states import Restriction


class Role(StrEnum):
    """What an instance is to its database."""

    PRIMARY = "primary"
    STANDBY = "standby"
    RETIRED = "retired"
    """Stopped, and kept for an undo."""
    SCRATCH = "scratch"
    """Made for one operation and removed with it."""

    @property
    def serves(self) -> bool:
        """Whether its server should run for as long as there is the database."""
        return self in (Role.PRIMARY, Role.STANDBY)


class EndpointRole(StrEnum):
    PRIMARY = "primary"
    READ = "read"
    POOLER = "pooler"


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
    settings: Settings = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address of a database that never changes once it has one, whichever instance it leads to."""

    id: str
    database_id: str
    role: EndpointRole
    address: Address | None
    instance_id: str | None


@dataclass(frozen=True, slots=True)
class Instance:
    """One server of a database with its data. `placement` is None until its runtime has given it a place."""

    id: str
    database_id: str
    generation: int
    full_version: str
    role: Role = Role.PRIMARY
    placement: Placement | None = None
    lineage: str | None = None
    """Where its data come from; the admin's password follows from it. None until it is allocated."""
    ready_at: float | None = None
    """When it first answered with all that its tenant needs."""
    down_at: float | None = None
    """Since when it is known not to serve although it should; None while nothing is known to be wrong."""
    down_reason: str | None = None
    restriction: Restriction = Restriction.NONE
    """What its tenant may do, as far as the disk is concerned."""
    restriction_reason: str | None = None
    restricted_at: float | None = None
    applied_restriction: Restriction = Restriction.NONE
    """What its server was last brought to."""
    login_error: str | None = None
    """Why its tenant could not log in when that was last tried; None when it could."""
    retired_at: float | None = None
    """Since when another instance has its place."""
