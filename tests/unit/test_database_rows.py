"""All rows of a database: taken out of one state, put into another, an empty or an older one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from dbyard.model import BackupSchedule, Instance, Principal, Role
from dbyard.service import Service
from dbyard.service.databases import databases as use_cases
from dbyard.service.databases.create import create
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import Connection, Store, backups, collaborators, database_rows, databases, instances
from dbyard.store.database_rows import Rows
from tests.builders import get_ready, open_account

NAME, OTHER = "my-database", "another-database"
PLAN = "postgresql-starter-512"


@pytest.fixture
def database(service: Service, principal: Principal) -> str:
    """With all that may belong to one."""
    found = create(service, principal, CreateRequest(NAME, "postgresql", PLAN)).id
    get_ready(service)
    open_account(service, "guest")
    with service.store.tx() as connection:
        collaborators.add(connection, collaborators.of_database(found), "us-guest", True, service.clock())
        backups.set_schedule(connection, found, BackupSchedule(hour=3))
    return found


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Connection]:
    connection = sqlite3.connect(tmp_path / "empty.db", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    yield connection
    connection.close()


def load(store: Store) -> dict[str, Rows]:
    with store.read() as connection:
        return database_rows.load_all(connection)


def put(connection: Connection, store: Store, found: dict[str, Rows]) -> None:
    with store.read() as reading:
        number = database_rows.schema(reading)
    for rows in found.values():
        database_rows.put(connection, number, rows)


def test_are_put_into_an_empty_state(service: Service, database: str, empty: Connection) -> None:
    found = load(service.store)
    assert set(found[database]) == {
        "account", "project", "database", "instance", "endpoint", "credential", "database_collaborator",
        "backup_schedule",
    }  # fmt: skip
    put(empty, service.store, found)
    assert database_rows.load_all(empty) == found


def test_may_be_put_twice(service: Service, database: str, empty: Connection) -> None:
    found = load(service.store)
    put(empty, service.store, found)
    put(empty, service.store, found)
    assert database_rows.load_all(empty) == found


def test_take_the_place_of_older_ones(service: Service, database: str, empty: Connection) -> None:
    put(empty, service.store, load(service.store))
    with service.store.tx() as connection:
        old = instances.get_primary(connection, database)
        assert old is not None
        instances.retire(connection, old.id, 1.0)
        instances.insert(connection, Instance("new", database, 1, "17.2", Role.PRIMARY))
        databases.rename(connection, database, OTHER, 2.0)
    put(empty, service.store, load(service.store))
    assert database_rows.load_all(empty) == load(service.store)


def test_leave_what_an_older_state_has_beside_them(
    service: Service, principal: Principal, database: str, empty: Connection
) -> None:
    """Its database of the same name was deleted since, and is not known to be so."""
    put(empty, service.store, load(service.store))
    use_cases.delete(service, principal, NAME, NAME)
    with service.store.tx() as connection:
        connection.execute("DELETE FROM database")
    new = create(service, principal, CreateRequest(NAME, "postgresql", PLAN)).id
    put(empty, service.store, load(service.store))
    found = {row["id"]: row["name"] for row in empty.execute("SELECT id, name FROM database")}
    assert found[new] == NAME
    assert found[database].startswith(f"{NAME}-")
    assert empty.execute("SELECT count(*) FROM database_collaborator").fetchone()[0] == 1


def test_that_contradict_each_other_are_refused_as_a_whole(service: Service, database: str, empty: Connection) -> None:
    found = load(service.store)[database]
    broken = {**found, "endpoint": [{**each, "instance_id": "none"} for each in found["endpoint"]]}
    with pytest.raises(sqlite3.IntegrityError):
        put(empty, service.store, {database: broken})
    assert database_rows.load_all(empty) == {}
