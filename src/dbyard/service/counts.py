"""How many databases and operations there are, for the operator's metrics."""

from __future__ import annotations

from dbyard.service import Service
from dbyard.store import databases, operations

Counts = dict[tuple[str, str], int]


def count(service: Service) -> tuple[Counts, Counts]:
    """Databases by (technology, plan) and operations by (kind, status)."""
    with service.store.read() as connection:
        return databases.count(connection), operations.count_by_status(connection)
