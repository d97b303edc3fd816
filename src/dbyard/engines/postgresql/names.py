"""What things are called inside a server, and in a client's URL."""

from __future__ import annotations

from collections.abc import Mapping

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
    """Without `sslmode`: libpq takes TLS where it can, and other drivers know the parameter not at all or otherwise."""
    return f"postgresql://{_access(address, credentials)}"


def connection_forms(address: Address, credentials: Credentials) -> Mapping[str, str]:
    access = _access(address, credentials)
    place = f"{address.host}:{address.port}/{credentials.database}"
    return {
        "jdbc": f"jdbc:postgresql://{place}?user={credentials.user}&password={credentials.password}",
        "sqlalchemy": f"postgresql+psycopg://{access}",
        "sqlalchemy-asyncpg": f"postgresql+asyncpg://{access}",
    }


def _access(address: Address, credentials: Credentials) -> str:
    return f"{credentials.user}:{credentials.password}@{address.host}:{address.port}/{credentials.database}"
