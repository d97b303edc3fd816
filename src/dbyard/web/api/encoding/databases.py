"""Databases and their connections on the wire."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from dbyard import wire
from dbyard.model import Address, Database
from dbyard.service.databases.connection import DatabaseConnection
from dbyard.service.databases.status import DatabaseOverview
from dbyard.wire.dashboard import DatabaseSummary


def encode_all(databases: Sequence[Database]) -> wire.DatabasesAnswer:
    return wire.DatabasesAnswer([_database(each) for each in databases])


def encode(database: Database) -> wire.DatabaseAnswer:
    return wire.DatabaseAnswer(_database(database))


def encode_summary(overview: DatabaseOverview, address: Address | None) -> DatabaseSummary:
    return DatabaseSummary(
        **structs.asdict(_database(overview.database)),
        status=overview.report.status,
        host=address.host if address else None,
        port=address.port if address else None,
    )


def encode_connection(found: DatabaseConnection) -> wire.ConnectionAnswer:
    return wire.ConnectionAnswer(
        wire.Connection(
            url=found.url,
            host=found.host,
            port=found.port,
            user=found.user,
            password=found.password,
            database=found.database,
            forms=dict(found.forms),
            ca_certificate=found.ca_certificate,
        )
    )


def _database(database: Database) -> wire.Database:
    return wire.Database(
        id=database.id,
        name=database.name,
        project_id=database.project_id,
        technology=database.technology,
        plan=database.plan,
        app=wire.App(database.id, database.name),
    )
