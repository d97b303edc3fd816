"""`/v1/projects` in process: their rules, their one default, and what happens when two ask at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard.errors import NotFound
from dbyard.service import Service
from dbyard.service.accounts import authentication, projects
from dbyard.service.accounts.authentication import FIRST_PROJECT
from dbyard.service.accounts.projects import ProjectRequest
from dbyard.service.databases import databases
from dbyard.store import Store
from tests.builders import open_account, seed_body
from tests.conftest import Clock

WRONG_NAMES = [
    None, "", 5, ["x"], "x" * 65, "Web", "a b", "a.b", "é", "ａbc", "раypal", "a\n", "a\u0000", "x" * 500_000,
]  # fmt: skip
NOT_FOUND = {"error": "Project not found"}


def make(api: TestClient, name: str, **fields: object) -> dict[str, Any]:
    answer = api.post("/v1/projects", json={"project": {"name": name, **fields}})
    assert answer.status_code == 201, answer.text
    project: dict[str, Any] = answer.json()["project"]
    return project


def defaults(api: TestClient) -> list[str]:
    return [each["name"] for each in api.get("/v1/projects").json()["projects"] if each["default"]]


class TestShape:
    def test_of_the_first_one(self, api: TestClient) -> None:
        (project,) = api.get("/v1/projects").json()["projects"]
        owner = project.pop("owner")
        assert project == {
            "id": FIRST_PROJECT,
            "name": "default",
            "default": True,
            "created_at": "2027-01-15T08:00:00Z",
            "updated_at": "2027-01-15T08:00:00Z",
            "flags": {},
        }
        assert (owner["username"], owner["email"], owner["flags"]) == ("admin", "admin@localhost", {})

    @pytest.mark.parametrize("body", [{"project": {"name": "web_shop-2"}}, {"name": "web_shop-2", "default": None}])
    def test_wrapped_and_flat(self, api: TestClient, body: object) -> None:
        made = api.post("/v1/projects", json=body).json()["project"]
        assert (made["name"], made["default"]) == ("web_shop-2", False)
        assert api.get(f"/v1/projects/{made['id']}").json() == {"project": made}

    def test_a_change_is_dated(self, api: TestClient, clock: Clock) -> None:
        made = make(api, "one")
        clock.advance(60)
        answer = api.patch(f"/v1/projects/{made['id']}", json={"project": {"name": "two"}})
        assert answer.status_code == 200
        assert answer.json()["project"] == made | {"name": "two", "updated_at": "2027-01-15T08:01:00Z"}


class TestNames:
    @pytest.mark.parametrize("name", WRONG_NAMES, ids=lambda name: repr(name)[:20])
    def test_have_a_rule(self, api: TestClient, name: object) -> None:
        answer = api.post("/v1/projects", json={"project": {"name": name, "default": "yes"}})
        assert (answer.status_code, sorted(answer.json()["errors"])) == (422, ["default", "name"])
        made = make(api, "fine")
        if name is not None:
            assert api.patch(f"/v1/projects/{made['id']}", json={"name": name}).status_code == 422

    def test_a_body_of_more_than_1_mib_is_refused(self, api: TestClient) -> None:
        assert api.post("/v1/projects", json={"name": "x" * 1024 * 1024}).status_code == 413

    def test_are_unique_within_an_account(self, api: TestClient, service: Service) -> None:
        made = make(api, "shop")
        taken = {"errors": {"name": ["has already been taken"]}}
        assert api.post("/v1/projects", json={"name": "shop"}).json() == taken
        assert api.patch(f"/v1/projects/{made['id']}", json={"name": "default"}).json() == taken
        assert api.patch(f"/v1/projects/{made['id']}", json={"name": "shop"}).status_code == 200
        other = {"Authorization": f"Bearer {open_account(service, 'other')}"}
        assert api.post("/v1/projects", json={"name": "shop"}, headers=other).status_code == 201

    def test_an_account_has_twenty_at_most(self, api: TestClient) -> None:
        for number in range(19):
            make(api, f"p-{number}")
        answer = api.post("/v1/projects", json={"name": "one-more"})
        assert answer.status_code == 409
        assert "at most 20 projects" in answer.json()["error"]


class TestDefault:
    def test_moves_and_is_never_taken_away(self, api: TestClient) -> None:
        second = make(api, "second", default=True)
        assert defaults(api) == ["second"]
        assert api.post("/v1/databases", json=seed_body()).json()["database"]["project_id"] == second["id"]
        assert api.patch(f"/v1/projects/{FIRST_PROJECT}", json={"default": True}).status_code == 200
        assert defaults(api) == ["default"]
        answer = api.patch(f"/v1/projects/{FIRST_PROJECT}", json={"default": False})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["default"])
        assert defaults(api) == ["default"]

    def test_is_one_whatever_happens_at_once(self, api: TestClient, service: Service, token: str) -> None:
        principal = authentication.authenticate(service, token)
        ids = [make(api, f"p-{number}")["id"] for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            list(
                pool.map(lambda each: projects.update(service, principal, each, ProjectRequest(default=True)), ids * 3)
            )
        assert len(defaults(api)) == 1

    def test_one_name_asked_for_at_once_is_given_once(self, api: TestClient) -> None:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: api.post("/v1/projects", json={"name": "same"}), range(8)))
        assert sorted(answer.status_code for answer in answers) == [201] + [422] * 7


class TestDelete:
    def test_an_empty_one(self, api: TestClient) -> None:
        made = make(api, "gone")
        assert api.delete(f"/v1/projects/{made['id']}").status_code == 204
        answer = api.get(f"/v1/projects/{made['id']}")
        assert (answer.status_code, answer.json()) == (404, NOT_FOUND)

    def test_not_the_default_one(self, api: TestClient) -> None:
        answer = api.delete(f"/v1/projects/{FIRST_PROJECT}")
        assert answer.status_code == 409
        assert "default project" in answer.json()["error"]

    def test_not_one_with_databases_and_at_once_after_them(self, api: TestClient, store: Store) -> None:
        made = make(api, "shop")
        database = api.post("/v1/databases", json=seed_body(project_id=made["id"])).json()["database"]
        answer = api.delete(f"/v1/projects/{made['id']}")
        assert (answer.status_code, answer.json()) == (409, {"error": "Cannot delete project with existing apps"})
        assert api.delete(f"/v1/databases/{database['id']}?confirm=my-postgres-db").status_code == 204
        assert api.delete(f"/v1/projects/{made['id']}").status_code == 204
        with store.read() as connection:  # the database's end goes on
            (kind, project_id) = connection.execute(
                "SELECT o.kind, d.project_id FROM operation o JOIN database d ON d.id = o.database_id"
                " WHERE o.status = 'pending'"
            ).fetchone()
        assert (kind, project_id) == ("delete", FIRST_PROJECT)


class TestMove:
    def test_into_another_project_of_its_owner(self, api: TestClient, service: Service, token: str) -> None:
        principal = authentication.authenticate(service, token)
        made = make(api, "shop")
        api.post("/v1/databases", json=seed_body())
        databases.move(service, principal, "my-postgres-db", made["id"])
        assert api.get("/v1/databases/my-postgres-db").json()["database"]["project_id"] == made["id"]
        other = authentication.authenticate(service, open_account(service, "other"))
        for who, project_id in ((other, made["id"]), (principal, "pr-other"), (principal, "nothing")):
            with pytest.raises(NotFound):
                databases.move(service, who, "my-postgres-db", project_id)
