"""Accounts, their tokens and their projects."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from dbyard.model.states import Scope


@dataclass(frozen=True, slots=True)
class Account:
    id: str
    username: str
    email: str
    admin: bool
    disabled_at: float | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """An account and the token that it uses, which may do less than the account."""

    account: Account
    token_id: str
    """Empty after a login by password, which may only create a token."""
    scope: Scope = Scope.ADMIN
    project_id: str | None = None
    """The only project that is there for the token; None for all that the account may see."""
    database_id: str | None = None
    """The only database that a database token may use, through the Database API alone."""
    expires_at: float | None = None
    """When the API token ends, and all that was made with it; None for never."""

    @property
    def administers(self) -> bool:
        """Whether it may do what only administrators may."""
        return self.account.admin and self.scope is Scope.ADMIN and self.project_id is None


class Access(IntEnum):
    """What an account may do with a database, the least first."""

    USE = 1
    """See it and connect to it: a limited collaborator."""
    CHANGE = 2
    """Also its password, its plan and its operations: a collaborator."""
    OWN = 3
    """Also delete, rename and move it, and choose its collaborators."""


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
