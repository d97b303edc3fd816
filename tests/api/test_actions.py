"""`POST /api/databases/{database}/action`: which there are, and how what they say is told."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard.engines import postgresql
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import Action, ActionParameter, Address, Credentials
from dbyard.service import Service
from tests.builders import get_ready, seed_body

PATH = "/api/databases/my-postgres-db/action"


def say(_address: Address, credentials: Credentials, values: Mapping[str, Any]) -> object:
    return {"database": credentials.database, "values": dict(values)}


def refuse(_address: Address, _credentials: Credentials, _values: Mapping[str, Any]) -> object:
    raise TemporaryError("the server refuses: no", code="refused")


def be_silent(_address: Address, _credentials: Credentials, _values: Mapping[str, Any]) -> object:
    raise NotReady("nobody listens")


NUMBER = ActionParameter(type=int, rule="should be a number")
NAME = ActionParameter("[a-z]+|[0-9]+", rule="should be a word")
FLAG = ActionParameter(type=bool, rule="should be true or false")
ACTIONS = {
    "say": Action(say),
    "change": Action(say, {"number": NUMBER, "name": NAME, "flag": FLAG}, changes=True),
    "refuse": Action(refuse, changes=True),
    "be-silent": Action(be_silent, changes=True),
}
VALUES = {"number": 7, "name": "word", "flag": True}


@pytest.fixture(autouse=True)
def ready(api: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgresql, "ACTIONS", ACTIONS)
    api.post("/v1/databases", json=seed_body())
    get_ready(service)


def act(api: TestClient, **body: object) -> SimpleNamespace:
    answer = api.post(PATH, json=body)
    return SimpleNamespace(status=answer.status_code, body=answer.json())


def list_events(api: TestClient) -> list[dict[str, Any]]:
    found = api.get("/v1/databases/my-postgres-db/events").json()["events"]
    return [each["data"] for each in found if each["type"] == "database.action_run"]


@pytest.mark.parametrize("params", [{}, {"params": None}, {"params": {}}, {"params": "ignored"}])
def test_without_parameters(api: TestClient, params: dict[str, object]) -> None:
    done = act(api, action_name="say", **params)
    assert (done.status, done.body["ok"], done.body["error"]) == (200, 1, None)
    assert done.body["result"]["values"] == {}
    assert list_events(api) == []


def test_one_that_changes_something_is_recorded(api: TestClient) -> None:
    done = act(api, action_name="change", params={**VALUES, "more": "is left out"})
    assert done.body["result"]["values"] == VALUES
    (recorded,) = list_events(api)
    assert {"action": "change", **VALUES}.items() <= recorded.items()


@pytest.mark.parametrize(
    ("name", "value"),
    [("number", "7"), ("number", True), ("number", None), ("name", "a word"), ("name", "word\n"), ("flag", 1)],
)
def test_wrong_parameters(api: TestClient, name: str, value: object) -> None:
    done = act(api, action_name="change", params={**VALUES, name: value})
    assert (done.status, list(done.body["errors"])) == (422, [name])
    assert list_events(api) == []


@pytest.mark.parametrize("name", ["nothing", None, 7, ["say"]])
def test_an_unknown_one(api: TestClient, name: object) -> None:
    done = act(api, action_name=name)
    assert (done.status, done.body) == (
        422,
        {"errors": {"action_name": ["should be one of: say, change, refuse, be-silent"]}},
    )


def test_a_technology_without_any(api: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(postgresql, "ACTIONS")
    done = act(api, action_name="say")
    assert (done.status, done.body) == (422, {"errors": {"action_name": ["there are no actions of PostgreSQL"]}})


def test_what_the_server_refuses(api: TestClient) -> None:
    done = act(api, action_name="refuse")
    assert (done.status, done.body) == (200, {"ok": 0, "result": None, "error": "the server refuses: no"})
    assert list_events(api) == []


def test_a_server_that_is_silent(api: TestClient) -> None:
    done = act(api, action_name="be-silent")
    assert (done.status, done.body) == (
        409,
        {"error": "The database's server does not answer: nobody listens", "current_operation_id": None},
    )
