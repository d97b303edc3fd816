"""What things are called inside a server, and in a client's URL."""

from __future__ import annotations

from dbyard.model import Address, Credentials

ADMIN = "dbyard"
ADMIN_DATABASE = "postgres"
SPARE = "spare"


def name_tenant(name: str, suffix: str) -> tuple[str, str]:
    stem = name.replace("-", "_")
    if not stem[0].isalpha() or stem.startswith("pg_"):  # must be quoted in SQL; is reserved
        stem = f"db_{stem}"
    tenant = f"{stem}_{suffix}"
    return tenant, tenant


def url(address: Address, credentials: Credentials) -> str:
    access = f"{credentials.user}:{credentials.password}@{address.host}:{address.port}"
    return f"postgresql://{access}/{credentials.database}?sslmode=prefer"
