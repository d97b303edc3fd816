"""Databases and their connections on the wire."""

from __future__ import annotations

from collections.abc import Sequence

from dbyard import wire
from dbyard.model import Database
from dbyard.service.databases.connection import DatabaseConnection


def encode_all(databases: Sequence[Database]) -> wire.DatabasesAnswer:
    return wire.DatabasesAnswer([_database(each) for each in databases])


def encode(database: Database) -> wire.DatabaseAnswer:
    return wire.DatabaseAnswer(_database(database))


def encode_connection(found: DatabaseConnection) -> wire.ConnectionAnswer:
    return wire.ConnectionAnswer(
        wire.Connection(
            url=found.url,
            host=found.host,
            port=found.port,
            user=found.user,
            password=found.password,
            database=found.database,
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
