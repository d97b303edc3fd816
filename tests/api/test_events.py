"""What was done is told: by whom, from which token, and never a secret."""

from __future__ import annotations

import json

from starlette.testclient import TestClient

from dbyard.service import Service
from tests.builders import get_ready, seed_body


def recorded(service: Service) -> list[dict[str, object]]:
    """All events as they are stored, oldest first."""
    with service.store.read() as connection:
        rows = connection.execute("SELECT * FROM event ORDER BY seq").fetchall()
    return [dict(row) | {"data": json.loads(row["data"])} for row in rows]


class TestRecorded:
    def test_a_database_from_its_beginning_to_its_end(self, api: TestClient, service: Service) -> None:
        database = api.post("/v1/databases", json=seed_body()).json()["database"]
        get_ready(service)
        api.delete("/v1/databases/my-postgres-db?confirm=my-postgres-db")
        made, deleted = recorded(service)
        token_id = api.get("/v1/tokens").json()["tokens"][0]["id"]
        for event, kind in ((made, "new_addon"), (deleted, "delete_addon")):
            assert event["type"] == kind
            assert (event["username"], event["email"], event["token_id"]) == ("admin", "admin@localhost", token_id)
            assert event["owner_id"] == event["account_id"]
            assert (event["database_id"], event["app_name"]) == (database["id"], "my-postgres-db")
            assert event["project_id"] == database["project_id"]
            assert event["data"] == {
                "addon_id": f"ad-{database['id']}",
                "addon_provider_name": "postgresql",
                "plan_name": "postgresql-starter-512",
                "resource_id": database["id"],
            }

    def test_nothing_of_what_was_refused(self, api: TestClient, service: Service) -> None:
        api.post("/v1/databases", json=seed_body())
        for response in (
            api.post("/v1/databases", json=seed_body()),
            api.post("/v1/databases", json=seed_body("another-db", project_id="pr-unknown")),
            api.delete("/v1/databases/my-postgres-db?confirm=another-db"),
        ):
            assert response.is_client_error
        assert [event["type"] for event in recorded(service)] == ["new_addon"]

    def test_a_repeated_request_once(self, api: TestClient, service: Service) -> None:
        for _ in range(2):
            assert api.post("/v1/databases", json=seed_body(), headers={"Idempotency-Key": "k"}).status_code == 201
        assert len(recorded(service)) == 1
