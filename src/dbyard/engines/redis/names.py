"""What things are called inside a server, and in a client's URL."""

from __future__ import annotations

from dbyard.model import Address, Credentials

ADMIN = "dbyard"
TENANT = "default"  # the user of clients that know a password only


def name_tenant(name: str, suffix: str) -> tuple[str, str]:  # noqa: ARG001 - the same for every name
    return TENANT, "0"


def url(address: Address, credentials: Credentials) -> str:
    access = f"{credentials.user}:{credentials.password}@{address.host}:{address.port}"
    return f"redis://{access}/{credentials.database}"
