"""How many of everything there are, for the operator's eyes."""

from __future__ import annotations

from dbyard.errors import Forbidden
from dbyard.model import Principal
from dbyard.service import Service
from dbyard.store import databases, operations

Counts = dict[tuple[str, str], int]


def count(service: Service, principal: Principal) -> tuple[Counts, Counts]:
    """Databases by (technology, plan) and operations by (kind, status); for an admin only."""
    if not principal.account.admin:
        raise Forbidden("Only an admin may see the platform's metrics")
    with service.store.read() as connection:
        return databases.count(connection), operations.count_by_status(connection)
