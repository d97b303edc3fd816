"""What the benchmarks put into a store by SQL is what the API shows: they measure nothing otherwise."""

from __future__ import annotations

from benchmarks import stored
from starlette.testclient import TestClient

from dbyard.store import Store


def test_stored_databases_are_listed_and_shown(api: TestClient, store: Store) -> None:
    with store.tx() as connection:
        (project,) = connection.execute("SELECT id FROM project").fetchone()
        stored.insert(connection, "own", project, 3)
    listed = api.get("/v1/databases").json()["databases"]
    assert {each["name"] for each in listed} == {stored.name_of(number) for number in range(3)}
    assert api.get(f"/v1/databases/{stored.name_of(0)}").status_code == 200
    assert api.get(f"/api/databases/{stored.name_of(0)}").status_code == 200
    assert api.get(f"/v1/apps/{stored.name_of(0)}/addons").status_code == 200
