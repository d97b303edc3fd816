"""Settings of a database's server: listed, chosen, refused."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard.service import Service
from dbyard.store import operations
from tests.builders import get_ready, open_account, seed_body


@pytest.fixture
def made(api: TestClient, service: Service) -> dict[str, Any]:
    body = seed_body(technology="redis", plan="redis-starter-128")
    found: dict[str, Any] = api.post("/v1/databases", json=body).json()["database"]
    get_ready(service)
    return found


def values(answer: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in answer["settings"]}


def path(made: dict[str, Any]) -> str:
    return f"/v1/databases/{made['name']}/settings"


class TestList:
    def test_each_with_what_it_takes(self, api: TestClient, made: dict[str, Any]) -> None:
        answer = api.get(path(made)).json()
        policy, events = answer["settings"]
        assert (policy["name"], policy["value"], policy["default"]) == ("maxmemory-policy", "noeviction", "noeviction")
        assert "allkeys-lru" in policy["values"]
        assert (events["name"], events["value"], events["values"]) == ("notify-keyspace-events", "", [])
        assert answer["current_operation_id"] is None

    def test_of_a_technology_without_any(self, api: TestClient) -> None:
        body = seed_body(technology="mysql", plan="mysql-starter-512")
        name = api.post("/v1/databases", json=body).json()["database"]["name"]
        assert api.get(f"/v1/databases/{name}/settings").json()["settings"] == []


class TestCreate:
    def test_with_settings(self, api: TestClient) -> None:
        chosen = {"maxmemory-policy": "allkeys-lru", "notify-keyspace-events": None}
        body = seed_body(technology="redis", plan="redis-starter-128", settings=chosen)
        made = api.post("/v1/databases", json=body).json()["database"]
        assert values(api.get(path(made)).json()) == {"maxmemory-policy": "allkeys-lru", "notify-keyspace-events": ""}

    def test_with_what_can_be_chosen_only_then(self, api: TestClient) -> None:
        made = api.post("/v1/databases", json=seed_body(settings={"locale": "de"})).json()["database"]
        (locale,) = api.get(path(made)).json()["settings"]
        assert (locale["value"], locale["default"], locale["fixed"]) == ("de", "C.UTF-8", True)
        answer = api.patch(path(made), json={"settings": {"locale": "en"}})
        assert (answer.status_code, answer.json()["errors"]) == (
            422,
            {"settings": ["locale: can be chosen only when a database is created"]},
        )

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"locale": "de'; DROP"}, "locale: must fit"),
            ({"sorting": "de"}, "sorting: there is no such setting; there are locale"),
            (["locale"], "should be an object of values by name"),
        ],
    )
    def test_refused_with_all_else(self, api: TestClient, settings: object, message: str) -> None:
        answer = api.post("/v1/databases", json=seed_body(name="x", settings=settings))
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["name", "settings"])
        assert answer.json()["errors"]["settings"][0].startswith(message)


class TestChange:
    def test_is_a_configure(self, api: TestClient, made: dict[str, Any]) -> None:
        answer = api.patch(path(made), json={"settings": {"maxmemory-policy": "allkeys-lru"}})
        operation = api.get(f"/v1/databases/{made['name']}/operations").json()["operations"][0]
        assert (answer.status_code, operation["kind"]) == (200, "configure")
        assert answer.json()["current_operation_id"] == operation["id"]
        assert values(answer.json()) == {"maxmemory-policy": "allkeys-lru", "notify-keyspace-events": ""}
        event = api.get("/v1/audit/events").json()["events"][0]
        assert event["type"] == "database.settings_changed"
        assert event["data"]["settings"] == {"maxmemory-policy": "allkeys-lru"}

    def test_while_another_operation_is_at_work(self, api: TestClient, made: dict[str, Any]) -> None:
        first = api.patch(path(made), json={"settings": {"maxmemory-policy": "allkeys-lru"}}).json()
        answer = api.patch(path(made), json={"settings": {"maxmemory-policy": "volatile-lru"}})
        assert (answer.status_code, answer.json()["current_operation_id"]) == (409, first["current_operation_id"])
        assert values(api.get(path(made)).json())["maxmemory-policy"] == "allkeys-lru"

    def test_what_is_so_already_is_no_operation(self, api: TestClient, made: dict[str, Any], service: Service) -> None:
        answer = api.patch(path(made), json={"settings": {"maxmemory-policy": "noeviction"}})
        assert (answer.status_code, answer.json()["current_operation_id"]) == (200, None)
        with service.store.read() as reading:
            assert operations.exclusive_of(reading, made["id"]) is None

    def test_null_is_the_default(self, api: TestClient, made: dict[str, Any], service: Service) -> None:
        api.patch(path(made), json={"settings": {"maxmemory-policy": "allkeys-lru", "notify-keyspace-events": "Ex"}})
        with service.store.tx() as connection:
            connection.execute("UPDATE operation SET status = 'done'")
        answer = api.patch(path(made), json={"settings": {"maxmemory-policy": None}}).json()
        assert values(answer) == {"maxmemory-policy": "noeviction", "notify-keyspace-events": "Ex"}

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"maxmemory": "1"}, "maxmemory: there is no such setting; there are maxmemory-policy,"),
            ({"maxmemory-policy": "all"}, "maxmemory-policy: must be noeviction or"),
            ({"maxmemory-policy": 1}, "maxmemory-policy: must be noeviction or"),
            ({"notify-keyspace-events": 'x"\nuser evil on'}, "notify-keyspace-events: must fit"),
        ],
    )
    def test_refused(self, api: TestClient, made: dict[str, Any], changes: dict[str, Any], message: str) -> None:
        answer = api.patch(path(made), json={"settings": changes})
        assert answer.status_code == 422
        assert answer.json()["errors"]["settings"][0].startswith(message)

    @pytest.mark.parametrize("body", [{}, {"settings": ["maxmemory-policy"]}])
    def test_no_settings_at_all(self, api: TestClient, made: dict[str, Any], body: dict[str, Any]) -> None:
        assert api.patch(path(made), json=body).status_code == 422

    def test_of_somebody_elses(self, anonymous: TestClient, service: Service, made: dict[str, Any]) -> None:
        other = {"Authorization": f"Bearer {open_account(service, 'other')}"}
        change = {"settings": {"maxmemory-policy": "allkeys-lru"}}
        assert anonymous.patch(path(made), json=change, headers=other).status_code == 404
