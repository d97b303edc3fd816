"""What things are called inside a server, and in a client's URL."""

from __future__ import annotations

from dbyard.model import Address, Credentials

ADMIN = "dbyard"


def name_tenant(name: str, suffix: str) -> tuple[str, str]:
    stem = name.replace("-", "_")
    if not stem[0].isalpha():  # must be quoted in InfluxQL
        stem = f"db_{stem}"
    tenant = f"{stem}_{suffix}"
    return tenant, tenant


def url(address: Address, credentials: Credentials) -> str:
    """The path names the database, as clients that take a URL read it; InfluxDB itself wants it as `db=`."""
    access = f"{credentials.user}:{credentials.password}@{address.host}:{address.port}"
    return f"http://{access}/{credentials.database}"
