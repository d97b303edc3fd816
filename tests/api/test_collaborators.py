"""Collaborators in process: of one database and of a project, limited or not, and what only an owner may."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard.service import Service
from tests.builders import get_ready, open_account, seed_body

Headers = dict[str, str]
APP = "/v1/apps/my-postgres-db/collaborators"


@pytest.fixture
def databases(api: TestClient, service: Service) -> None:
    """Two databases of the admin's default project, which run."""
    for name in ("my-postgres-db", "my-second-db"):
        assert api.post("/v1/databases", json=seed_body(name)).status_code == 201
        get_ready(service)


@pytest.fixture
def project(api: TestClient, databases: None) -> str:
    """The collaborators of that project."""
    return f"/v1/projects/{listed(api, '/v1/projects')[0]['id']}/collaborators"


@pytest.fixture
def guest(service: Service) -> Headers:
    return {"Authorization": f"Bearer {open_account(service, 'guest')}"}


@pytest.fixture
def shared(api: TestClient, databases: None, guest: Headers) -> Headers:
    """The guest, with whom one of the databases is shared."""
    invite(api, APP)
    return guest


def invite(api: TestClient, path: str, **fields: object) -> Any:
    answer = api.post(path, json={"collaborator": {"email": "Guest@Example.org", **fields}})
    assert answer.status_code == 201, answer.text
    return answer.json()["collaborator"]


def listed(api: TestClient, path: str, headers: Headers | None = None) -> list[Any]:
    found: list[Any] = next(iter(api.get(path, headers=headers).json().values()))
    return found


def names(api: TestClient, headers: Headers) -> list[str]:
    return [each["name"] for each in listed(api, "/v1/databases", headers)]


class TestInvite:
    def test_answers_who_may_come_in(self, api: TestClient, shared: Headers) -> None:
        database = api.get("/v1/databases/my-postgres-db").json()["database"]
        assert listed(api, APP) == [
            {
                "id": "us-guest",
                "user_id": "us-guest",
                "app_id": database["id"],
                "project_id": None,
                "username": "guest",
                "email": "guest@example.org",
                "status": "accepted",
                "invitation_link": "",
                "is_limited": False,
            }
        ]

    @pytest.mark.parametrize(
        "email", [None, "", 5, "nobody@example.org", "admin@localhost", "guest@example.org", "g\u0000"]
    )
    def test_only_accounts_that_are_there_once(
        self, api: TestClient, project: str, shared: Headers, email: object
    ) -> None:
        invite(api, project)
        for path in (APP, project, "/v1/apps/my-second-db/collaborators"):
            answer = api.post(path, json={"email": email})
            assert (answer.status_code, list(answer.json()["errors"])) == (422, ["email"])

    def test_a_limit_that_is_no_flag_is_refused(self, api: TestClient, shared: Headers) -> None:
        answer = api.post(APP, json={"email": "guest@example.org", "is_limited": "yes"})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["is_limited"])
        answer = api.patch(f"{APP}/us-guest", json={})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["is_limited"])


class TestOfADatabase:
    def test_sees_and_uses_it_and_no_other_of_its_project(self, api: TestClient, shared: Headers) -> None:
        assert names(api, shared) == ["my-postgres-db"]
        assert [each["name"] for each in listed(api, "/v1/apps", shared)] == ["my-postgres-db"]
        for path in ("", "/connection", "/operations", "/logs", "/events"):
            assert api.get(f"/v1/databases/my-postgres-db{path}", headers=shared).status_code == 200
            assert api.get(f"/v1/databases/my-second-db{path}", headers=shared).status_code == 404
        assert listed(api, APP, shared)[0]["username"] == "guest"

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("DELETE", "/v1/databases/my-postgres-db?confirm=my-postgres-db", None),
            ("DELETE", "/v1/apps/my-postgres-db?current_name=my-postgres-db", None),
            ("POST", "/v1/apps/my-postgres-db/rename", {"current_name": "my-postgres-db", "new_name": "my-other-db"}),
            ("POST", APP, {"email": "third@example.org"}),
            ("DELETE", f"{APP}/us-third", None),
            ("PATCH", f"{APP}/us-guest", {"is_limited": False}),
        ],
    )
    def test_may_not_do_what_only_the_owner_may(
        self, api: TestClient, service: Service, shared: Headers, method: str, path: str, body: object
    ) -> None:
        open_account(service, "third")
        answer = api.request(method, path, json=body, headers=shared)
        assert (answer.status_code, list(answer.json())) == (403, ["error"])
        assert api.get("/v1/databases/my-postgres-db").status_code == 200

    def test_follows_the_database_into_another_project(self, api: TestClient, project: str, shared: Headers) -> None:
        other = api.post("/v1/projects", json={"name": "other"}).json()["project"]["id"]
        assert api.put("/v1/apps/my-postgres-db", json={"project_id": other}).status_code == 200
        assert names(api, shared) == ["my-postgres-db"]

    def test_sees_nothing_once_removed(self, api: TestClient, shared: Headers) -> None:
        assert api.delete(f"{APP}/us-guest").status_code == 204
        assert names(api, shared) == []
        assert api.get("/v1/databases/my-postgres-db", headers=shared).status_code == 404
        answer = api.delete(f"{APP}/us-guest")
        assert (answer.status_code, answer.json()) == (404, {"error": "not found", "resource": "collaborator"})

    def test_may_leave(self, api: TestClient, shared: Headers) -> None:
        assert api.delete(f"{APP}/us-guest", headers=shared).status_code == 204
        assert listed(api, APP) == []


class TestOfAProject:
    def test_sees_and_uses_every_database_of_it(self, api: TestClient, project: str, guest: Headers) -> None:
        assert invite(api, project)["app_id"] is None
        assert names(api, guest) == ["my-postgres-db", "my-second-db"]
        (one,) = listed(api, APP, guest)
        assert (one["id"], one["project_id"]) == ("us-guest", project.split("/")[3])
        assert listed(api, project) == [one | {"app_id": None}]

    def test_has_no_place_for_databases_of_its_own_there(self, api: TestClient, project: str, guest: Headers) -> None:
        invite(api, project)
        project_id = project.split("/")[3]
        answer = api.post("/v1/databases", json=seed_body("my-third-db", project_id=project_id), headers=guest)
        assert (answer.status_code, answer.json()) == (404, {"error": "Project not found"})
        for method in ("GET", "DELETE"):
            assert api.request(method, f"/v1/projects/{project_id}", headers=guest).status_code == 404

    def test_is_changed_and_removed_there_and_not_at_a_database(
        self, api: TestClient, project: str, guest: Headers
    ) -> None:
        invite(api, project)
        for method, headers in (("PATCH", None), ("DELETE", None), ("DELETE", guest)):
            body = {"is_limited": True} if method == "PATCH" else None
            answer = api.request(method, f"{APP}/us-guest", json=body, headers=headers)
            assert answer.status_code == 409
            assert f"{project}/us-guest" in answer.json()["error"]
        assert names(api, guest) == ["my-postgres-db", "my-second-db"]
        assert api.delete(f"{project}/us-guest").status_code == 204
        assert names(api, guest) == []

    def test_may_leave(self, api: TestClient, project: str, guest: Headers) -> None:
        assert api.delete(f"{project}/us-guest", headers=guest).status_code == 404
        invite(api, project)
        assert api.delete(f"{project}/us-admin", headers=guest).status_code == 404
        assert api.delete(f"{project}/us-guest", headers=guest).status_code == 204
        assert names(api, guest) == []


class TestLimited:
    @pytest.mark.parametrize("of_project", [False, True])
    def test_sees_and_uses_and_changes_nothing(
        self, api: TestClient, project: str, guest: Headers, of_project: bool
    ) -> None:
        path = project if of_project else APP
        assert invite(api, path, is_limited=True)["is_limited"] is True
        database = api.get("/v1/databases/my-postgres-db", headers=guest).json()["database"]["id"]
        connection = api.get(f"/v1/databases/{database}/connection", headers=guest).json()["connection"]
        operation = listed(api, f"/v1/databases/{database}/operations")[0]["id"]
        changes = [
            ("POST", f"/api/databases/{database}/users/{connection['user']}/reset_password", None),
            ("PATCH", f"/v1/apps/{database}/addons/ad-{database}", {"plan_id": "postgresql-starter-1024"}),
            ("POST", f"/v1/databases/{database}/operations/{operation}/cancel", None),
            ("POST", f"/v1/databases/{database}/operations/{operation}/retry", None),
        ]
        for method, target, body in changes:
            assert api.request(method, target, json=body, headers=guest).status_code == 403, target
        changed = api.patch(f"{path}/us-guest", json={"collaborator": {"is_limited": False}}).json()["collaborator"]
        assert changed["is_limited"] is False
        method, target, body = changes[1]
        assert api.request(method, target, json=body, headers=guest).status_code == 200

    def test_an_addon_token_is_no_way_around_it(self, api: TestClient, databases: None, guest: Headers) -> None:
        invite(api, APP, is_limited=True)
        database = api.get("/v1/databases/my-postgres-db").json()["database"]["id"]
        addon = api.post(f"/v1/apps/{database}/addons/ad-{database}/token", headers=guest).json()["addon"]["token"]
        headers = {"Authorization": f"Bearer {addon}"}
        (user,) = listed(api, f"/api/databases/{database}/users", headers)
        target = f"/api/databases/{database}/users/{user['name']}/reset_password"
        assert api.post(target, headers=headers).status_code == 403
