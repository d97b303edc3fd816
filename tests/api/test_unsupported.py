"""What is not there: 404, or 409 with a sentence where a client is known to ask for it; 401 for a bad token only."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard.service import Service
from dbyard.service.accounts import authentication
from tests.builders import seed_body

REFUSED = [
    ("POST", "/v1/apps"),
    ("DELETE", "/v1/apps/{id}/addons/ad-{id}"),
    ("POST", "/v1/apps/{id}/log_drains"),
    ("DELETE", "/v1/apps/{id}/log_drains?url=tcp://localhost:1"),
    ("POST", "/v1/apps/{id}/addons/ad-{id}/log_drains"),
    ("DELETE", "/v1/apps/{id}/addons/ad-{id}/log_drains?url=tcp://localhost:1"),
    ("POST", "/v1/apps/{id}/variables"),
    ("PUT", "/v1/apps/{id}/variables"),
    ("DELETE", "/v1/apps/{id}/variables/{id}-url"),
    ("GET", "/v1/apps/{id}/containers"),
    ("GET", "/v1/apps/{id}/ps"),
    ("POST", "/v1/apps/{id}/scale"),
    ("POST", "/v1/apps/{id}/restart"),
    ("POST", "/v1/apps/{id}/run"),
    ("GET", "/v1/apps/{id}/deployments"),
    ("GET", "/v1/apps/{id}/deployments/5"),
    ("POST", "/v1/apps/{id}/domains"),
    ("GET", "/v1/apps/{id}/scm_repo_link"),
    ("GET", "/v1/keys"),
    ("GET", "/v1/features/stacks"),
    ("GET", "/v1/projects/pr-1/private_network"),
    ("PUT", "/v1/account/profile"),
    ("PATCH", "/v1/databases/{id}"),
    ("PUT", "/v1/databases/{id}"),
    ("POST", "/v1/databases/{id}/net_peerings"),
    ("GET", "/v1/databases/{id}/net_peerings/np-1"),
    ("DELETE", "/v1/databases/{id}/net_peerings/np-1"),
    ("POST", "/api/databases/ad-{id}/upgrade"),
    ("POST", "/api/databases/ad-{id}/features"),
    ("DELETE", "/api/databases/ad-{id}/features?feature=force-ssl"),
    ("GET", "/api/databases/ad-{id}/maintenance"),
    ("GET", "/api/databases/ad-{id}/maintenance/m"),
    ("DELETE", "/api/databases/ad-{id}/firewall_rules/r"),
    ("PATCH", "/api/databases/ad-{id}/firewall_rules/r"),
]
UNKNOWN = [
    "/api", "/api/nothing", "/api/databases", "/api/databases/{id}/nothing", "/api/databases/{id}/lag", "/nothing",
    "/v1/apps/{id}/nothing", "/v1/databases/{id}/nothing", "/v1/nothing",
]  # fmt: skip


@pytest.fixture
def made(api: TestClient) -> str:
    return str(api.post("/v1/databases", json=seed_body()).json()["database"]["id"])


@pytest.fixture(params=["token", "jwt", "addon", "read"])
def headers(request: pytest.FixtureRequest, api: TestClient, service: Service, token: str, made: str) -> dict[str, str]:
    """Every kind of token that is valid."""
    principal = authentication.authenticate(service, token)
    makers: dict[str, Any] = {
        "token": lambda: token,
        "jwt": lambda: authentication.exchange(service, principal),
        "addon": lambda: authentication.sign_database_token(service, principal, made),
        "read": lambda: api.post("/v1/tokens", json={"name": "r", "scope": "read"}).json()["token"]["token"],
    }
    return {"Authorization": f"Bearer {makers[request.param]()}"}


def test_what_a_client_asks_for_in_vain_is_explained(api: TestClient, made: str, headers: dict[str, str]) -> None:
    for method, path in REFUSED:
        answer = api.request(method, path.format(id=made), headers=headers, json={"a": 1})
        assert (answer.status_code, list(answer.json())) == (409, ["error"]), path
        assert " " in answer.json()["error"], path


def test_what_nobody_knows_is_not_found(api: TestClient, made: str, headers: dict[str, str]) -> None:
    for path in UNKNOWN:
        for method in ("GET", "POST", "DELETE"):
            answer = api.request(method, path.format(id=made), headers=headers)
            assert (answer.status_code, list(answer.json())) == (404, ["error"]), path
            assert answer.json()["error"].startswith("Not found: "), path


def test_a_bad_token_learns_neither(anonymous: TestClient) -> None:
    for method, path in (*REFUSED, *(("GET", path) for path in UNKNOWN)):
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            assert anonymous.request(method, path.format(id="x"), headers=headers).status_code == 401, path


def test_events_can_be_sent_nowhere(anonymous: TestClient) -> None:
    for path in ("/v1/notification_platforms", "/v1/notification_platforms/search?name=email"):
        assert anonymous.get(path).json() == {"notification_platforms": []}


def test_ranges_of_firewalls_are_none(api: TestClient, headers: dict[str, str]) -> None:
    answer = api.get("/api/firewall/managed_ranges", headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"ranges": []})


def test_the_network_of_a_database_is_empty(api: TestClient, made: str) -> None:
    expected = {"network_configuration": {"outscale_account_id": "", "outscale_net_id": "", "ip_range": ""}}
    for key in (made, "my-postgres-db"):
        assert api.get(f"/v1/databases/{key}/network_configuration").json() == expected
    assert api.get("/v1/databases/nothing-here/network_configuration").json() == {"error": "Database not found"}


def test_whatever_the_path_holds(api: TestClient) -> None:
    """A line feed too, which no name has."""
    answer = api.get("/api/databases/%0Aa/maintenance/b%0A")
    assert (answer.status_code, "No maintenance is planned" in answer.json()["error"]) == (409, True)
