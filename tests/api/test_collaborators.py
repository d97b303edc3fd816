"""Collaborators in process: what they may do with the databases of a project, and what only its owner may."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard.service import Service
from tests.builders import get_ready, open_account, seed_body

Headers = dict[str, str]


@pytest.fixture
def guest(api: TestClient, service: Service) -> Headers:
    """Somebody who works in the admin's default project, where one database runs."""
    api.post("/v1/databases", json=seed_body())
    get_ready(service)
    token = open_account(service, "guest")
    answer = api.post("/v1/apps/my-postgres-db/collaborators", json={"collaborator": {"email": "Guest@Example.org"}})
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {token}"}


def listed(api: TestClient, path: str, headers: Headers | None = None) -> list[Any]:
    found: list[Any] = next(iter(api.get(path, headers=headers).json().values()))
    return found


class TestInvite:
    def test_answers_who_may_come_in(self, api: TestClient, guest: Headers) -> None:
        (one,) = listed(api, "/v1/apps/my-postgres-db/collaborators")
        assert {key: one[key] for key in ("id", "username", "email", "status")} == {
            "id": "us-guest",
            "username": "guest",
            "email": "guest@example.org",
            "status": "accepted",
        }

    @pytest.mark.parametrize(
        "email", [None, "", 5, "nobody@example.org", "admin@localhost", "guest@example.org", "g\u0000"]
    )
    def test_only_accounts_that_are_there_once(self, api: TestClient, guest: Headers, email: object) -> None:
        answer = api.post("/v1/apps/my-postgres-db/collaborators", json={"email": email})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["email"])


class TestCollaborator:
    def test_sees_and_uses_every_database_of_the_project(self, api: TestClient, guest: Headers) -> None:
        api.post("/v1/databases", json=seed_body("my-second-db"))
        assert [each["name"] for each in listed(api, "/v1/databases", guest)] == ["my-postgres-db", "my-second-db"]
        assert [each["owner"]["username"] for each in listed(api, "/v1/apps", guest)] == ["admin", "admin"]
        for path in ("", "/connection", "/operations", "/logs"):
            assert api.get(f"/v1/databases/my-postgres-db{path}", headers=guest).status_code == 200
        assert listed(api, "/v1/apps/my-postgres-db/collaborators", guest)[0]["username"] == "guest"

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("DELETE", "/v1/databases/my-postgres-db?confirm=my-postgres-db", None),
            ("DELETE", "/v1/apps/my-postgres-db?current_name=my-postgres-db", None),
            ("POST", "/v1/apps/my-postgres-db/rename", {"current_name": "my-postgres-db", "new_name": "my-other-db"}),
            ("POST", "/v1/apps/my-postgres-db/collaborators", {"email": "third@example.org"}),
            ("DELETE", "/v1/apps/my-postgres-db/collaborators/us-third", None),
        ],
    )
    def test_may_not_do_what_only_the_owner_may(
        self, api: TestClient, service: Service, guest: Headers, method: str, path: str, body: object
    ) -> None:
        open_account(service, "third")
        answer = api.request(method, path, json=body, headers=guest)
        assert (answer.status_code, list(answer.json())) == (403, ["error"])
        assert api.get("/v1/databases/my-postgres-db").status_code == 200

    def test_has_no_place_for_databases_of_its_own_there(self, api: TestClient, guest: Headers) -> None:
        (project,) = listed(api, "/v1/projects")
        answer = api.post("/v1/databases", json=seed_body("my-second-db", project_id=project["id"]), headers=guest)
        assert (answer.status_code, answer.json()) == (404, {"error": "Project not found"})
        for method in ("GET", "DELETE"):
            assert api.request(method, f"/v1/projects/{project['id']}", headers=guest).status_code == 404

    def test_sees_nothing_once_removed(self, api: TestClient, guest: Headers) -> None:
        assert api.delete("/v1/apps/my-postgres-db/collaborators/us-guest").status_code == 204
        assert listed(api, "/v1/databases", guest) == []
        assert api.get("/v1/databases/my-postgres-db", headers=guest).status_code == 404
        answer = api.delete("/v1/apps/my-postgres-db/collaborators/us-guest")
        assert (answer.status_code, answer.json()) == (404, {"error": "not found", "resource": "collaborator"})

    def test_may_leave(self, api: TestClient, guest: Headers) -> None:
        assert api.delete("/v1/apps/my-postgres-db/collaborators/us-guest", headers=guest).status_code == 204
        assert listed(api, "/v1/apps/my-postgres-db/collaborators") == []
