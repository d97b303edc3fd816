"""The two servers that speak this protocol, and which of them one is."""

from __future__ import annotations

from typing import Protocol

from dbyard.engines.elasticsearch import elastic, opensearch
from dbyard.engines.elasticsearch.session import Session
from dbyard.model import Credentials, Desired, Layout, Restriction


class Server(Protocol):
    """What the two servers, each a module, do in their own ways; otherwise one is as the other."""

    @property
    def NAME(self) -> str: ...
    @property
    def MAIN(self) -> str: ...
    @property
    def PROPERTIES(self) -> str: ...
    @property
    def SYSTEM_INDICES(self) -> str: ...
    @property
    def QUIET(self) -> tuple[str, ...]: ...
    def render_options(self, layout: Layout) -> list[str]: ...
    def render_files(self, credentials: Credentials, restriction: Restriction) -> dict[str, str]:
        """Those with its users and keys. `restriction` is what the tenant may do once the server has read them."""

    def render_settings(self, credentials: Credentials, *, anew: bool) -> dict[str, object]:
        """With `anew` the server takes its users from its files, not from what it has kept of them."""

    def needs_start(self, session: Session, admin_password: str) -> str:
        """Why the running server cannot be brought to the desired state as it is; empty where it can."""

    def change(self, session: Session, admin_password: str, desired: Desired) -> None:
        """Bring users, roles and settings to the desired state, as far as the server can change them while it runs."""


def server_of(layout: Layout) -> Server:
    return elastic if layout.full_version.startswith("7.") else opensearch


def server_at(session: Session) -> Server:
    """By what the server says of itself."""
    distribution = session.ask("GET", "/")["version"].get("distribution")
    return opensearch if distribution == opensearch.NAME else elastic
