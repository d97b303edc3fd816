"""Queries on endpoints: where databases are reached, and which instance that leads to."""

from __future__ import annotations

from sqlite3 import Row

from dbyard.model import Address, Endpoint, EndpointRole
from dbyard.store import Connection

_COLUMNS = "SELECT id, database_id, role, host, port, instance_id FROM endpoint"


def insert(connection: Connection, endpoint: Endpoint) -> None:
    connection.execute(
        "INSERT INTO endpoint (id, database_id, role, instance_id) VALUES (?, ?, ?, ?)",
        (endpoint.id, endpoint.database_id, endpoint.role, endpoint.instance_id),
    )


def list_for(connection: Connection, database_id: str) -> list[Endpoint]:
    """The primary one first."""
    query = f"{_COLUMNS} WHERE database_id = ? ORDER BY role <> 'primary', role"
    return [_endpoint(row) for row in connection.execute(query, (database_id,))]


def set_address(connection: Connection, endpoint_id: str, address: Address) -> None:
    """Where it is reached from now on."""
    connection.execute("UPDATE endpoint SET host = ?, port = ? WHERE id = ?", (address.host, address.port, endpoint_id))


def forget_address(connection: Connection, endpoint_id: str) -> None:
    """It is given another one when it is published."""
    connection.execute("UPDATE endpoint SET host = NULL, port = NULL WHERE id = ?", (endpoint_id,))


def lead_to(connection: Connection, endpoint_id: str, instance_id: str) -> None:
    """Another instance answers there from now on."""
    connection.execute("UPDATE endpoint SET instance_id = ? WHERE id = ?", (instance_id, endpoint_id))


def _endpoint(row: Row) -> Endpoint:
    address = None if row["port"] is None else Address(row["host"], row["port"])
    return Endpoint(row["id"], row["database_id"], EndpointRole(row["role"]), address, row["instance_id"])
