"""`/api/databases/{database}/users`: who may log in, and with which password from now on."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard.service import Service
from dbyard.store import credentials, operations
from dbyard.web.scalingo import database_users
from tests.builders import claim, fail, get_ready, seed_body


@pytest.fixture
def made(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A database whose operations nobody works on, so that nobody waits for them either."""
    monkeypatch.setattr(database_users, "_RESET_SECONDS", 0.0)
    database: dict[str, Any] = api.post("/v1/databases", json=seed_body()).json()["database"]
    return database


def connect(api: TestClient) -> Any:
    return api.get("/v1/databases/my-postgres-db/connection")


def list_names(api: TestClient) -> list[str]:
    return [each["name"] for each in api.get("/api/databases/my-postgres-db/users").json()["database-users"]]


def reset(api: TestClient, user: str) -> Any:
    return api.post(f"/api/databases/my-postgres-db/users/{user}/reset_password", json={})


class TestList:
    def test_has_the_one_that_the_database_was_made_with(self, api: TestClient, made: dict[str, Any]) -> None:
        (user,) = api.get(f"/api/databases/ad-{made['id']}/users").json()["database-users"]
        assert user.pop("name").startswith("my_postgres_db_")
        assert user == {
            "read_only": False,
            "protected": True,
            "dbms_attributes": {"password_encryption": "SCRAM-SHA-256"},
        }


class TestReset:
    def test_answers_the_user_flat_and_wrapped(self, api: TestClient, made: dict[str, Any], service: Service) -> None:
        get_ready(service)
        (name,) = list_names(api)
        old = connect(api).json()["connection"]["password"]
        answer = reset(api, name)
        body = answer.json()
        wrapped, operation_id = body.pop("database_user"), body.pop("current_operation_id")
        assert (answer.status_code, body) == (200, wrapped)
        assert body["name"] == name
        assert len(body["password"]) == 32
        assert body["password"] != old
        refused = connect(api)
        assert (refused.status_code, refused.json()) == (
            409,
            {"error": "The database is being configured", "current_operation_id": operation_id},
        )

    def test_is_in_force_when_the_operation_is_done(
        self, api: TestClient, made: dict[str, Any], service: Service
    ) -> None:
        get_ready(service)
        password = reset(api, list_names(api)[0]).json()["password"]
        operation = claim(service)
        with service.store.tx() as connection:
            operations.finish(connection, operation, service.clock())
            credential = credentials.get(connection, made["id"])
            assert credential is not None
            credentials.set_applied(connection, made["id"], credential.password)
        found = connect(api).json()["connection"]
        assert found["password"] == password
        assert password in found["url"]

    def test_of_an_unknown_user(self, api: TestClient, made: dict[str, Any], service: Service) -> None:
        get_ready(service)
        answer = reset(api, "nobody")
        assert (answer.status_code, answer.json()) == (404, {"error": "User not found"})
        assert connect(api).status_code == 200

    def test_waits_its_turn(self, api: TestClient, made: dict[str, Any], service: Service) -> None:
        (name,) = list_names(api)
        for waits_for in ("create", "rotate"):
            if waits_for == "rotate":
                get_ready(service)
                reset(api, name)
            answer = reset(api, name)
            assert answer.status_code == 409
            assert answer.headers["Retry-After"] == "1"
            assert answer.json()["current_operation_id"] == connect(api).json()["current_operation_id"]

    def test_of_a_database_that_never_got_ready(self, api: TestClient, made: dict[str, Any], service: Service) -> None:
        fail(service, "init_failed", "broken")
        answer = reset(api, list_names(api)[0])
        assert (answer.status_code, answer.json()) == (
            409,
            {"error": "The database never got ready", "current_operation_id": None},
        )
