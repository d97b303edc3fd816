"""A tenant of each technology, by the client that people have: all it knows is the URL.

`tests.tenants.<technology>` is the module of one: its class `Tenant`, the client's own errors, and what a tenant must
never reach. The tests of all technologies find it by its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol, cast

REACHES = frozenset({"files", "programs", "other databases", "settings", "snapshots", "users"})
"""What no tenant of any technology may get at."""


class Tenant(Protocol):
    """One connection. Every method raises the client's own error when the server is not there or refuses."""

    def write(self, number: int) -> None:
        """When it returns, the number has been acknowledged."""

    def write_many(self, numbers: range) -> None: ...

    def read(self) -> set[int]: ...

    def attempt(self, escape: Any) -> object:
        """Do what is one of `ESCAPES`."""

    def bomb(self) -> None:
        """Ask for more memory than the plan has, until that is refused or the server dies."""

    def close(self) -> None: ...


class TenantModule(Protocol):
    @property
    def ERRORS(self) -> tuple[type[Exception], ...]:
        """What the client raises when the server refuses or is not there."""

    @property
    def REFUSED(self) -> str:
        """A regular expression: what the server says to an escape."""

    @property
    def FULL(self) -> str:
        """A regular expression: what the server says to whoever wants more memory, if it can still say something."""

    @property
    def LASTING(self) -> bool:
        """Whether what is acknowledged outlives its server; a cache forgets."""

    @property
    def DELAY(self) -> float:
        """Seconds after which what is acknowledged outlives a kill of its server; 0 for at once."""

    @property
    def ESCAPES(self) -> Mapping[str, Sequence[Any]]:
        """By each of `REACHES`: attempts at it; none where the technology has no such thing."""

    def Tenant(self, url: str) -> Tenant: ...


def exists(technology: str) -> bool:
    return find_spec(f"{__name__}.{technology}") is not None


def load(technology: str) -> TenantModule:
    return cast(TenantModule, import_module(f"{__name__}.{technology}"))
