"""Every route with every verb, asked with somebody else's token: as if nothing were there."""

from __future__ import annotations

import msgspec
import pytest
from starlette.testclient import TestClient

from dbyard import catalogue
from dbyard.model import Scope
from dbyard.service import Service
from dbyard.web.app import list_routes
from tests.builders import get_ready, open_account, seed_body

OWNED = [
    (method, route.path)
    for route in list_routes(catalogue.load())
    for method, verb in route.verbs.items()
    if "{" in route.path and not verb.public and verb.scope is not Scope.ADMIN
]


@pytest.fixture
def theirs(api: TestClient, service: Service) -> dict[str, str]:
    """The admin's database and token, as path parameters."""
    database = api.post("/v1/databases", json=seed_body()).json()["database"]
    get_ready(service)
    open_account(service, "guest")
    api.post("/v1/apps/my-postgres-db/collaborators", json={"email": "guest@example.org"})
    return {
        "project": database["project_id"],
        "collaborator": "us-guest",
        "database": database["id"],
        "app": database["id"],
        "addon": f"ad-{database['id']}",
        "user": api.get(f"/api/databases/{database['id']}/users").json()["database-users"][0]["name"],
        "operation": api.get(f"/v1/databases/{database['id']}/operations").json()["operations"][0]["id"],
        "token_id": api.get("/v1/tokens").json()["tokens"][0]["id"],
    }


@pytest.mark.parametrize(("method", "path"), OWNED)
def test_a_foreign_token_sees_and_changes_nothing(
    api: TestClient, service: Service, theirs: dict[str, str], method: str, path: str
) -> None:
    foreign = {"Authorization": f"Bearer {open_account(service, 'mallory')}"}
    nobodys = dict.fromkeys(theirs, "54100930736f7563d5030000")
    before = api.get("/v1/databases").content, api.get("/v1/tokens").json()["tokens"][0]["id"]
    for names in (theirs, theirs | {"database": "my-postgres-db", "app": "my-postgres-db"}):
        query = "?confirm=my-postgres-db&current_name=my-postgres-db"
        answer = api.request(method, path.format(**names) + query, headers=foreign)
        missing = api.request(method, path.format(**nobodys) + query, headers=foreign)
        assert answer.status_code == missing.status_code == 404
        assert answer.content == missing.content
    assert before == (api.get("/v1/databases").content, api.get("/v1/tokens").json()["tokens"][0]["id"])


def test_lists_hold_nothing_of_others(api: TestClient, service: Service, theirs: dict[str, str]) -> None:
    foreign = {"Authorization": f"Bearer {open_account(service, 'mallory')}"}
    for path in ("/v1/databases", "/v1/tokens"):
        found = msgspec.json.decode(api.get(path, headers=foreign).content)
        assert not set(theirs.values()) & {each["id"] for each in next(iter(found.values()))}


def test_every_private_route_is_walked() -> None:
    assert ("GET", "/v1/databases/{database}/connection") in OWNED
    assert ("DELETE", "/v1/tokens/{token_id}") in OWNED
