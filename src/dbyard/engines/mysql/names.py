"""What things are called inside a server, and in a client's URL."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard.model import Address, Credentials

ADMIN = "dbyard"
SYSTEM_DATABASES = ("mysql", "sys", "performance_schema", "information_schema")

JOURNAL_TABLE = "mysql.dbyard_journal"
"""Where the server's oldest file of its log begins in its journal, and what tells that from every other."""

_NAME_LIMIT = 32  # MySQL's for a user; MariaDB's own is longer


def name_tenant(name: str, suffix: str) -> tuple[str, str]:
    stem = name.replace("-", "_")
    if not stem[0].isalpha():  # must be quoted in SQL
        stem = f"db_{stem}"
    tenant = f"{stem[: _NAME_LIMIT - 1 - len(suffix)].rstrip('_')}_{suffix}"
    return tenant, tenant


def url(address: Address, credentials: Credentials) -> str:
    return f"mysql://{_access(address, credentials)}"


def connection_forms(address: Address, credentials: Credentials) -> Mapping[str, str]:
    """MariaDB's own driver of JDBC and MySQL's take each its own scheme alone; either talks to both servers."""
    place = f"{address.host}:{address.port}/{credentials.database}"
    login = f"user={credentials.user}&password={credentials.password}"
    return {
        "jdbc": f"jdbc:mysql://{place}?{login}",
        "jdbc-mariadb": f"jdbc:mariadb://{place}?{login}",
        "sqlalchemy": f"mysql+pymysql://{_access(address, credentials)}",
    }


def _access(address: Address, credentials: Credentials) -> str:
    return f"{credentials.user}:{credentials.password}@{address.host}:{address.port}/{credentials.database}"
