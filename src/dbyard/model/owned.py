"""Who owns what: accounts, projects, databases and their instances."""

from __future__ import annotations

from dataclasses import dataclass

from dbyard.model.constants import ADDON_PREFIX
from dbyard.model.states import Restriction, Scope


@dataclass(frozen=True, slots=True)
class Account:
    id: str
    username: str
    email: str
    admin: bool
    disabled_at: float | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking: an account, by one of its tokens, which may do less than the account."""

    account: Account
    token_id: str
    """Empty for somebody who gave a password: good for making a token and nothing else."""
    scope: Scope = Scope.ADMIN
    project_id: str | None = None
    """The only project that is there for the token; None for all that the account may see."""
    database_id: str | None = None
    """The only database that is there for an addon token, by the Database API alone."""
    expires_at: float | None = None
    """When the API token ends, and all that was made with it; None for never."""

    @property
    def administers(self) -> bool:
        """Whether it may do what only administrators may."""
        return self.account.admin and self.scope is Scope.ADMIN and self.project_id is None


@dataclass(frozen=True, slots=True)
class Token:
    id: str
    name: str
    created_at: float
    last_used_at: float | None
    scope: Scope = Scope.ADMIN
    project_id: str | None = None
    expires_at: float | None = None
    issued_at: float | None = None
    """When its present value was made; None for when it was created."""


@dataclass(frozen=True, slots=True)
class Project:
    id: str
    account_id: str
    name: str
    default: bool
    created_at: float
    updated_at: float


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
