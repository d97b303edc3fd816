"""What things are called inside a server, and in a client's URL."""

from __future__ import annotations

import re

from dbyard.model import Address, Credentials

ADMIN = "dbyard"

_NAME_LIMIT = 48


def name_tenant(name: str, suffix: str) -> tuple[str, str]:
    """The database is the name of the cluster: a tenant names its indices as it likes."""
    tenant = f"{re.sub('-', '_', name)[: _NAME_LIMIT - 1 - len(suffix)]}_{suffix}"
    return tenant, tenant


def url(address: Address, credentials: Credentials) -> str:
    return f"http://{credentials.user}:{credentials.password}@{address.host}:{address.port}"
