"""What things are called inside a server, and in a client's URL."""

from __future__ import annotations

from dbyard.model import Address, Credentials

ADMIN = "dbyard"


def name_tenant(name: str, suffix: str) -> tuple[str, str]:
    tenant = f"{name.replace('-', '_')}_{suffix}"
    return tenant, tenant


def url(address: Address, credentials: Credentials) -> str:
    access = f"{credentials.user}:{credentials.password}@{address.host}:{address.port}"
    return f"mongodb://{access}/{credentials.database}?directConnection=true"
