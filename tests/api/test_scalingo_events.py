"""The events of the facade: only types that Scalingo's clients know, each with what they print of it."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard.model import EventType
from dbyard.service import Service
from dbyard.store import operations
from dbyard.store.old_events import stored_names
from dbyard.web.scalingo import database_users
from tests.builders import claim, get_ready, open_account, seed_body

KNOWN = {
    "new_user", "rename_app", "update_app_project", "new_addon", "upgrade_addon", "delete_addon", "new_collaborator",
    "delete_collaborator", "change_collaborator_role", "new_token", "regenerate_token", "delete_token",
    "delete_project", "new_project", "edit_project",
}  # fmt: skip
"""Of those that go-scalingo knows, the ones that happen here."""


def newest(api: TestClient, path: str = "/v1/events") -> dict[str, Any]:
    event: dict[str, Any] = api.get(path).json()["events"][0]
    return event


def do_everything(api: TestClient, service: Service) -> None:
    """At least one event of every type that a request makes."""
    database = api.post("/v1/databases", json=seed_body()).json()["database"]["id"]
    get_ready(service)
    (user,) = api.get(f"/api/databases/{database}/users").json()["database-users"]
    open_account(service, "guest")
    requests: list[tuple[str, str, object]] = [
        ("PATCH", f"/v1/apps/{database}/addons/ad-{database}", {"plan_id": "postgresql-starter-1024"}),
        ("POST", "/v1/projects", {"name": "shop"}),
        ("POST", f"/v1/apps/{database}/collaborators", {"email": "guest@example.org"}),
        ("PATCH", f"/v1/apps/{database}/collaborators/us-guest", {"is_limited": True}),
        ("DELETE", f"/v1/apps/{database}/collaborators/us-guest", None),
        ("POST", f"/v1/apps/{database}/rename", {"current_name": "my-postgres-db", "new_name": "my-other-db"}),
        ("POST", "/v1/tokens", {"name": "laptop"}),
        ("POST", "/v1/users", {"username": "ann", "email": "ann@example.org"}),
        ("PATCH", "/v1/users/ann", {"disabled": True}),
        ("PATCH", "/v1/users/ann", {"disabled": False}),
        ("PATCH", "/v1/users/ann", {"password": "a long enough password"}),
    ]
    for method, path, body in requests:
        assert api.request(method, path, json=body).is_success, path
    operation = claim(service)
    with service.store.tx() as connection:
        operations.finish(connection, operation, service.clock())
    target = f"/api/databases/{database}/users/{user['name']}/reset_password"
    assert api.post(target).is_success


@pytest.fixture
def done(api: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_users, "_CHANGE_SECONDS", 0.0)  # nobody works on operations here
    do_everything(api, service)


def types(api: TestClient, path: str) -> list[str]:
    answer = api.get(f"{path}?per_page=100").json()
    assert answer["meta"]["pagination"]["total_count"] == len(answer["events"])
    return [each["type"] for each in answer["events"]]


def test_types_that_no_client_knows_are_in_our_lists_only(api: TestClient, done: None) -> None:
    everything, known = types(api, "/v1/audit/events"), types(api, "/v1/events")
    assert set(known) <= KNOWN
    assert {"database.password_reset", "account.disabled", "account.changed"} <= set(everything)
    assert len(known) < len(everything)
    of_database = types(api, "/v1/databases/my-other-db/events")
    assert "database.password_reset" in of_database
    assert set(types(api, "/v1/apps/my-other-db/events")) <= KNOWN


def test_pages_are_full_without_them(api: TestClient, done: None) -> None:
    known = types(api, "/v1/events")
    paged = [
        each["type"]
        for page in range(1, len(known) + 1)
        for each in api.get(f"/v1/events?per_page=1&page={page}").json()["events"]
    ]
    assert paged == known


def test_every_type_of_ours_has_a_name_there_or_none(api: TestClient) -> None:
    listed = {each["name"] for each in api.get("/v1/event_types").json()["event_types"]}
    assert listed == KNOWN
    assert {name for kind in EventType for name in stored_names([kind])} >= KNOWN - {"change_collaborator_role"}


def test_lists_of_types_and_categories_need_no_token(anonymous: TestClient) -> None:
    types = anonymous.get("/v1/event_types").json()["event_types"]
    categories = anonymous.get("/v1/event_categories").json()["event_categories"]
    assert {each["category_id"] for each in types} == {each["id"] for each in categories}
    assert [each["position"] for each in categories] == [1, 2, 3, 4]


def test_a_plan_change_has_both_names(api: TestClient, service: Service) -> None:
    database = api.post("/v1/databases", json=seed_body()).json()["database"]["id"]
    get_ready(service)
    api.patch(f"/v1/apps/{database}/addons/ad-{database}", json={"plan_id": "postgresql-starter-1024"})
    told = newest(api)
    assert told["type"] == "upgrade_addon"
    assert told["type_data"]["old_plan_name"] == "postgresql-starter-512"
    assert told["type_data"]["new_plan_name"] == told["type_data"]["plan_name"] == "postgresql-starter-1024"


def test_of_projects(api: TestClient) -> None:
    project = api.post("/v1/projects", json={"name": "shop"}).json()["project"]["id"]
    told = newest(api)
    assert (told["type"], told["project_name"], told["project_id"]) == ("new_project", "shop", project)
    assert told["type_data"]["default"] is False
    api.patch(f"/v1/projects/{project}", json={"name": "store", "default": True})
    told = newest(api)
    assert (told["type"], told["project_name"]) == ("edit_project", "store")
    assert told["type_data"]["updated_values"] == [
        {"name": "name", "value": "store", "old_value": "shop"},
        {"name": "default", "value": "true", "old_value": "false"},
    ]
    first = next(each["id"] for each in api.get("/v1/projects").json()["projects"] if each["id"] != project)
    api.patch(f"/v1/projects/{first}", json={"default": True})
    api.delete(f"/v1/projects/{project}")
    told = newest(api)
    assert (told["type"], told["project_name"]) == ("delete_project", "store")
    assert told["type_data"]["project_id"] == project


def test_of_a_role(api: TestClient, service: Service) -> None:
    api.post("/v1/databases", json=seed_body())
    open_account(service, "guest")
    api.post("/v1/apps/my-postgres-db/collaborators", json={"email": "guest@example.org"})
    api.patch("/v1/apps/my-postgres-db/collaborators/us-guest", json={"is_limited": True})
    told = newest(api)
    assert (told["type"], told["app_name"]) == ("change_collaborator_role", "my-postgres-db")
    assert told["type_data"]["collaborator"]["is_limited"] is True
