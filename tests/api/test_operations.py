"""`/v1/databases/{database}/operations`: progress, cancelling, and trying again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard.model import OPERATIONS, OperationKind, OperationPolicy, Progress
from dbyard.service import Service
from dbyard.store import operations
from tests.builders import claim, fail, get_ready, open_account, seed_body

COPY = "copy"


@pytest.fixture(autouse=True)
def copying(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kind that can be cancelled and tried again, beside others."""
    policy = OperationPolicy("run", stall=60.0, exclusive=False, owns_server=False, cancellable=True, retriable=True)
    monkeypatch.setitem(OPERATIONS, COPY, policy)


@pytest.fixture
def made(api: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = api.post("/v1/databases", json=seed_body()).json()["database"]
    return found


def path(made: dict[str, Any], operation_id: str, verb: str) -> str:
    return f"/v1/databases/{made['name']}/operations/{operation_id}/{verb}"


def latest(api: TestClient, made: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/v1/databases/{made['id']}/operations").json()["operations"][0]
    return found


def begin_copy(service: Service, made: dict[str, Any]) -> str:
    get_ready(service)
    with service.store.tx() as connection:
        return operations.insert(connection, made["id"], COPY, service.clock(), params={"to": "elsewhere"})


class TestList:
    def test_shows_progress_and_leaves_the_database_running(
        self, api: TestClient, service: Service, made: dict[str, Any]
    ) -> None:
        begin_copy(service, made)
        operation = claim(service)
        with service.store.tx() as connection:
            far = service.clock() + 60
            operations.wait(connection, operation, far, far, "copying", Progress(3.0, 10.0, "MB"))
        found = latest(api, made)
        assert found["progress"] == {"done": 3.0, "total": 10.0, "unit": "MB"}
        assert (found["cancellable"], found["retriable"]) == (True, False)
        assert api.get(f"/api/databases/{made['id']}").json()["database"]["status"] == "running"
        assert api.get(f"/v1/databases/{made['id']}/connection").status_code == 200


class TestCancel:
    def test_makes_it_due_at_once(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        operation_id = begin_copy(service, made)
        answer = api.post(path(made, operation_id, "cancel"))
        assert (answer.status_code, answer.json()["operation"]["id"]) == (202, operation_id)
        assert claim(service).cancel_requested_at == service.clock()
        newest = api.get("/v1/audit/events").json()["events"][0]
        assert newest["type"] == "operation.cancelled"
        assert newest["data"]["operation_id"] == operation_id

    def test_of_a_kind_that_cannot_be_cancelled(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        answer = api.post(path(made, latest(api, made)["id"], "cancel"))
        assert (answer.status_code, answer.json()) == (
            409,
            {"error": "An operation of the kind create cannot be cancelled"},
        )

    def test_of_one_that_has_ended(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        operation_id = begin_copy(service, made)
        fail(service, "broken", "it broke")
        answer = api.post(path(made, operation_id, "cancel"))
        assert (answer.status_code, answer.json()) == (409, {"error": "The operation has ended"})

    @pytest.mark.parametrize("verb", ["cancel", "retry"])
    def test_of_somebody_elses(
        self, anonymous: TestClient, api: TestClient, service: Service, made: dict[str, Any], verb: str
    ) -> None:
        operation_id = begin_copy(service, made)
        other = {"Authorization": f"Bearer {open_account(service, 'other')}"}
        answer = anonymous.post(path(made, operation_id, verb), headers=other)
        assert (answer.status_code, answer.json()) == (404, {"error": "Database not found"})

    @pytest.mark.parametrize("verb", ["cancel", "retry"])
    def test_of_an_unknown_one(self, api: TestClient, made: dict[str, Any], verb: str) -> None:
        answer = api.post(path(made, "none", verb))
        assert (answer.status_code, answer.json()) == (404, {"error": "Operation not found"})


class TestRetry:
    def test_begins_a_new_one_with_the_same_parameters(
        self, api: TestClient, service: Service, made: dict[str, Any]
    ) -> None:
        operation_id = begin_copy(service, made)
        fail(service, "broken", "it broke")
        assert latest(api, made)["retriable"] is True
        answer = api.post(path(made, operation_id, "retry"))
        assert answer.status_code == 201
        again = claim(service)
        assert (again.id, again.kind) == (answer.json()["operation"]["id"], COPY)
        assert again.params == {"to": "elsewhere"}

    def test_of_a_create_that_failed(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        fail(service, "init_failed", "broken")
        status = f"/api/databases/{made['id']}"
        assert api.get(status).json()["database"]["status"] == "stopped"
        answer = api.post(path(made, latest(api, made)["id"], "retry"))
        assert (answer.status_code, answer.json()["operation"]["kind"]) == (201, "create")
        assert api.get(status).json()["database"]["status"] == "creating"

    def test_of_a_create_after_a_later_one(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        """A database that works is never created again."""
        fail(service, "init_failed", "broken")
        first = latest(api, made)["id"]
        assert api.post(path(made, first, "retry")).status_code == 201
        get_ready(service)
        _, shown = api.get(f"/v1/databases/{made['id']}/operations").json()["operations"]
        assert (shown["id"], shown["retriable"]) == (first, False)
        answer = api.post(path(made, first, "retry"))
        assert (answer.status_code, answer.json()) == (
            409,
            {"error": "There is a later operation of the kind create", "current_operation_id": None},
        )

    def test_of_one_that_has_not_failed(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        answer = api.post(path(made, begin_copy(service, made), "retry"))
        assert (answer.status_code, answer.json()) == (
            409,
            {"error": "The operation has not failed", "current_operation_id": None},
        )

    def test_of_a_kind_that_cannot_be(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        get_ready(service)
        with service.store.tx() as connection:
            operations.insert(connection, made["id"], OperationKind.HEAL, service.clock())
        fail(service, "broken", "it broke")
        answer = api.post(path(made, latest(api, made)["id"], "retry"))
        assert (answer.status_code, answer.json()) == (
            409,
            {"error": "An operation of the kind heal cannot be tried again", "current_operation_id": None},
        )

    def test_waits_for_another_that_excludes_it(
        self, api: TestClient, service: Service, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(OPERATIONS, COPY, replace(OPERATIONS[COPY], exclusive=True))
        operation_id = begin_copy(service, made)
        fail(service, "broken", "it broke")
        with service.store.tx() as connection:
            heal = operations.insert(connection, made["id"], OperationKind.HEAL, service.clock())
        answer = api.post(path(made, operation_id, "retry"))
        assert (answer.status_code, answer.json()["current_operation_id"]) == (409, heal)


class TestUpgrade:
    def test_is_an_operation(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        get_ready(service)
        answer = api.post(f"/v1/databases/{made['name']}/upgrade")
        found = answer.json()["operation"]
        assert (answer.status_code, found["kind"], found["status"]) == (202, "upgrade", "pending")
        newest = api.get("/v1/audit/events").json()["events"][0]
        assert (newest["type"], newest["data"]["operation_id"]) == ("database.upgraded", found["id"])
        refused = api.get(f"/v1/databases/{made['name']}/connection")
        assert (refused.status_code, refused.json()["current_operation_id"]) == (409, found["id"])


class TestRepair:
    def test_is_a_configure(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        get_ready(service)
        answer = api.post(f"/v1/databases/{made['name']}/repair")
        found = answer.json()["operation"]
        assert (answer.status_code, found["kind"], found["status"]) == (202, "configure", "pending")
        newest = api.get("/v1/audit/events").json()["events"][0]
        assert (newest["type"], newest["data"]["operation_id"]) == ("database.repaired", found["id"])
        assert api.post(f"/v1/databases/{made['name']}/repair").json()["current_operation_id"] == found["id"]

    def test_of_one_that_never_got_ready(self, api: TestClient, made: dict[str, Any]) -> None:
        assert api.post(f"/v1/databases/{made['name']}/repair").status_code == 409

    def test_of_somebody_elses(self, anonymous: TestClient, service: Service, made: dict[str, Any]) -> None:
        get_ready(service)
        other = {"Authorization": f"Bearer {open_account(service, 'other')}"}
        assert anonymous.post(f"/v1/databases/{made['name']}/repair", headers=other).status_code == 404
