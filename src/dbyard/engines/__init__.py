"""An engine knows one technology: how its server is configured, asked, and secured. It knows nothing of where it runs.

An engine is a module of plain functions, `dbyard.engines.<technology>`; this Protocol is what it promises.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Protocol, cast

from dbyard.model import Address, Capability, Credentials, InstanceSpec, Layout, Plan, RenderInput, Restriction


class Engine(Protocol):
    @property
    def TECHNOLOGY(self) -> str: ...

    @property
    def CAPABILITIES(self) -> frozenset[Capability]: ...

    def name_tenant(self, name: str, suffix: str) -> tuple[str, str]:
        """The tenant's user and database for a database called `name`; `suffix` is four digits. Pure."""

    def render(self, node: RenderInput, layout: Layout, credentials: Credentials) -> InstanceSpec:
        """The server as data: argv, files, first-start commands, limits. Pure; the same input gives the same output."""

    def ping(self, address: Address, credentials: Credentials) -> None:
        """Ask the server a real query as its admin, within a second; raises NotReady with what it said."""

    def secure(self, address: Address, credentials: Credentials) -> None:
        """Bring users, passwords and the tenant's database to the wanted state. Repeating is free.

        Raises NotReady when the server does not answer, TemporaryError when it refuses.
        """

    def restrict(self, address: Address, credentials: Credentials, restriction: Restriction) -> None:
        """Bring what the tenant may do to the wanted state; repeating is free. Raises as `secure` does."""

    def rotate(self, address: Address, credentials: Credentials) -> bool:
        """Make the credentials' password the tenant's only one and end its sessions; repeating is free.

        Whether the server has it now: False when it reads it at its next start. What the disk allows the tenant stays
        as it is. Raises as `secure` does.
        """

    def resize(self, address: Address, credentials: Credentials, plan: Plan) -> None:
        """With `Capability.RESIZE` only: give the running server a plan that is smaller in nothing.

        What `render` says of the plan holds from the next start on. Repeating is free; raises as `secure` does.
        """

    def stats(self, address: Address, credentials: Credentials) -> Mapping[str, int | float]:
        """What the server counts of itself, by the technology's own words; raises NotReady when it does not answer."""

    def url(self, address: Address, credentials: Credentials) -> str:
        """The connection URI that a tenant's client takes as it is. Pure."""


@cache
def load(name: str) -> Engine:
    """The engine that a technology of the catalogue names; raises ModuleNotFoundError for another name."""
    return cast(Engine, import_module(f"dbyard.engines.{name}"))
