"""What the inside of a server should be, and what came of asking for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dbyard.model.catalogue import Plan
from dbyard.model.states import Restriction


@dataclass(frozen=True, slots=True)
class User:
    """A login inside a database server.

    With `reset` the password becomes the user's only one, and all of its sessions end. Without it a user that exists
    keeps the password that it has, and one that is missing is made with this one. Of a user with `reset` the rights
    are made anew as well: `read_only` may be another than the one that it had.
    """

    name: str
    password: str = field(repr=False)
    reset: bool = False
    read_only: bool = False
    """It reads all that is in the database, also what is made later, and changes nothing."""


@dataclass(frozen=True, slots=True)
class Desired:
    """The state that `configure` brings about. The first user owns the database; a running spare has no users.

    The others may do what the first one may, unless they are `read_only`.
    """

    database: str
    users: tuple[User, ...]
    restriction: Restriction
    plan: Plan
    unlock: bool = False
    """Forget the settings of the tenant's own that may keep it from logging in."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of the engine's `SETTINGS` those that are not the default."""
    removed: tuple[str, ...] = ()
    """Users that are to be gone, and whose sessions are to end; what they own goes to the first one."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The server has all of the desired state now."""

    hidden: bool = False
    """It still listens where only the platform finds it, and lets its tenant in after another start."""


@dataclass(frozen=True, slots=True)
class RestartNeeded:
    """The rest of the desired state is in what `render` gives, and holds after a restart with that."""

    reason: str
