"""`/api/databases/{database}/users`: who may log in, and with which password from now on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard.service import Service
from dbyard.service.databases.database_users import UserRequest
from dbyard.store import credentials, operations
from dbyard.web.scalingo import database_users
from dbyard.wire.database_users import (
    ChangeDatabaseUser,
    NewDatabaseUser,
    NewPassword,
    PasswordAnswer,
    UserWithPassword,
)
from tests.builders import claim, fail, get_ready, seed_body


@pytest.fixture
def made(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A database whose operations nobody works on, so that nobody waits for them either."""
    monkeypatch.setattr(database_users, "_CHANGE_SECONDS", 0.0)
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
            "error": None,
        }


class TestReset:
    def test_answers_the_user_flat_and_wrapped(self, api: TestClient, made: dict[str, Any], service: Service) -> None:
        get_ready(service)
        (name,) = list_names(api)
        old = connect(api).json()["connection"]["password"]
        answer = reset(api, name)
        body = answer.json()
        wrapped, operation_id, url = (body.pop(each) for each in ("database_user", "current_operation_id", "url"))
        assert (answer.status_code, body) == (200, wrapped)
        assert body["name"] == name
        assert len(body["password"]) == 32
        assert body["password"] != old
        assert body["password"] in url
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


def test_no_password_is_in_what_a_log_would_show() -> None:
    secret = "chosen-0123456789-0123456"
    fields = ("reporting", True, False, dict[str, str](), None, secret)
    shown = (
        UserRequest("reporting", True, secret, secret),
        NewDatabaseUser("reporting", True, secret, secret),
        ChangeDatabaseUser(NewPassword(secret, secret)),
        PasswordAnswer(*fields, UserWithPassword(*fields), f"redis://reporting:{secret}@host", None),
    )
    assert [each for each in shown if secret in repr(each)] == []


def create(api: TestClient, **fields: object) -> Any:
    return api.post("/api/databases/my-postgres-db/users", json={"database_user": fields})


def end_operation(service: Service) -> None:
    """As if its server had all of it."""
    operation = claim(service)
    with service.store.tx() as connection:
        operations.finish(connection, operation, service.clock())


@pytest.fixture
def ready(api: TestClient, made: dict[str, Any], service: Service) -> None:
    get_ready(service)


@pytest.mark.usefixtures("ready")
class TestCreate:
    def test_answers_the_user_flat_and_wrapped_with_its_url(self, api: TestClient) -> None:
        answer = create(api, name="reporting", read_only=True, database_id="ignored")
        body = answer.json()
        wrapped, operation_id, url = (body.pop(each) for each in ("database_user", "current_operation_id", "url"))
        assert (answer.status_code, body) == (201, wrapped)
        password = body.pop("password")
        assert len(password) == 32
        assert operation_id
        assert f"postgresql://reporting:{password}@127.0.0.1:" in url
        assert body == {
            "name": "reporting",
            "read_only": True,
            "protected": False,
            "dbms_attributes": {"password_encryption": "SCRAM-SHA-256"},
            "error": None,
        }

    def test_the_connection_stays_the_owners(self, api: TestClient, service: Service) -> None:
        before = connect(api).json()
        create(api, name="reporting")
        end_operation(service)
        assert connect(api).json() == before
        assert list_names(api)[1:] == ["reporting"]

    def test_with_a_password_of_its_own(self, api: TestClient) -> None:
        password = "chosen/by#somebody?else-0123"
        answer = create(api, name="reporting", password=password, password_confirmation=password).json()
        assert answer["password"] == password
        assert "reporting:chosen%2Fby%23somebody%3Felse-0123@" in answer["url"]

    @pytest.mark.parametrize(
        ("fields", "wrong"),
        [
            ({}, "name"),
            ({"name": "short"}, "name"),
            ({"name": "a" * 33}, "name"),
            ({"name": "1reporting"}, "name"),
            ({"name": "report ing"}, "name"),
            ({"name": "dbyard_readers"}, "name"),
            ({"name": "Pg_monitor"}, "name"),
            ({"name": 7}, "name"),
            ({"name": "reporting", "read_only": "yes"}, "read_only"),
            ({"name": "reporting", "password": "too-short"}, "password"),
            ({"name": "reporting", "password": 'a quote " and a space in it'}, "password"),
            ({"name": "reporting", "password": "x" * 24, "password_confirmation": "y" * 24}, "password_confirmation"),
        ],
    )
    def test_bad_input(self, api: TestClient, fields: dict[str, object], wrong: str) -> None:
        answer = create(api, **fields)
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [wrong])
        assert len(list_names(api)) == 1

    def test_a_name_is_taken_once(self, api: TestClient, service: Service) -> None:
        assert create(api, name="reporting").status_code == 201
        end_operation(service)
        for name in ("reporting", "Reporting", list_names(api)[0]):
            answer = create(api, name=name)
            assert (answer.status_code, answer.json()) == (422, {"errors": {"name": ["has already been taken"]}})

    def test_there_is_an_end(self, api: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dbyard.service.databases.database_users.MOST_USERS", 1)
        create(api, name="reporting")
        end_operation(service)
        assert create(api, name="another").json() == {
            "errors": {"database": ["has 1 users beside its own, and takes no more"]}
        }

    def test_waits_its_turn(self, api: TestClient) -> None:
        create(api, name="reporting")
        answer = create(api, name="another")
        assert (answer.status_code, answer.headers["Retry-After"]) == (409, "1")
        assert list_names(api)[1:] == ["reporting"]


@pytest.mark.usefixtures("ready")
class TestChange:
    def change(self, api: TestClient, user: str, **fields: object) -> Any:
        return api.patch(f"/api/databases/my-postgres-db/users/{user}", json={"database_user": fields})

    def test_a_password_that_is_chosen(self, api: TestClient, service: Service) -> None:
        create(api, name="reporting")
        end_operation(service)
        answer = self.change(api, "reporting", password="p" * 24, password_confirmation="p" * 24)
        assert (answer.status_code, answer.json()["database_user"]["password"]) == (200, "p" * 24)

    def test_needs_one(self, api: TestClient, service: Service) -> None:
        create(api, name="reporting")
        end_operation(service)
        assert list(self.change(api, "reporting").json()["errors"]) == ["password"]

    def test_not_of_the_protected_one(self, api: TestClient) -> None:
        (name,) = list_names(api)
        answer = self.change(api, name, password="p" * 24)
        assert (answer.status_code, "can be reset" in answer.json()["error"]) == (409, True)

    def test_of_an_unknown_one(self, api: TestClient) -> None:
        assert self.change(api, "nobody", password="p" * 24).status_code == 404

    def test_a_reset_gives_another(self, api: TestClient, service: Service) -> None:
        first = create(api, name="reporting").json()["password"]
        end_operation(service)
        before = connect(api).json()
        answer = reset(api, "reporting").json()
        assert (answer["name"], answer["password"] != first, answer["read_only"]) == ("reporting", True, False)
        end_operation(service)
        assert connect(api).json() == before


@pytest.mark.usefixtures("ready")
class TestRemove:
    def remove(self, api: TestClient, user: str) -> Any:
        return api.delete(f"/api/databases/my-postgres-db/users/{user}")

    def test_it_is_gone_and_its_name_is_free(self, api: TestClient, service: Service) -> None:
        create(api, name="reporting", read_only=True)
        end_operation(service)
        assert self.remove(api, "reporting").status_code == 204
        assert len(list_names(api)) == 1
        end_operation(service)
        assert self.remove(api, "reporting").status_code == 404
        assert reset(api, "reporting").status_code == 404
        assert create(api, name="reporting").json()["read_only"] is False

    def test_not_the_protected_one(self, api: TestClient) -> None:
        (name,) = list_names(api)
        answer = self.remove(api, name)
        assert (answer.status_code, "goes with the database only" in answer.json()["error"]) == (409, True)
        assert list_names(api) == [name]


def test_a_server_that_takes_no_others(api: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    technology = service.catalogue.get("postgresql")
    versions = tuple(replace(each, users=False) for each in technology.versions)
    monkeypatch.setitem(service.catalogue.technologies, "postgresql", replace(technology, versions=versions))
    api.post("/v1/databases", json=seed_body())
    get_ready(service)
    answer = create(api, name="reporting")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["database"])
