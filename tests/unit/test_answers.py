"""What holds the answers of all other tests to the description finds what is wrong with one."""

from __future__ import annotations

import json

import pytest
from starlette.testclient import TestClient

from tests.answers import Checked, find_fault

OWNER: dict[str, object] = {"id": "1", "username": "u", "email": "u@localhost", "flags": {}}
DATE = "2027-01-15T08:00:00Z"
GOOD: dict[str, object] = {
    "id": "1", "name": "n", "default": True, "created_at": DATE, "updated_at": DATE, "owner": OWNER, "flags": {},
}  # fmt: skip
HEADERS = {b"content-type": b"application/json", b"x-request-id": b"1"}


def find(
    content: object = None, status: int = 200, method: str = "GET", headers: dict[bytes, bytes] = HEADERS
) -> str | None:
    body = b"" if content is None else json.dumps(content).encode()
    return find_fault(method, "/v1/projects/{project}", status, headers, body)


def test_nothing_in_answers_that_are_as_described() -> None:
    assert find({"project": GOOD}) is None
    assert find({"error": "Project not found"}, 404) is None
    assert find(method="HEAD") is None
    assert find(status=204, method="DELETE", headers={b"x-request-id": b"1"}) is None
    assert find({"error": "Method not allowed"}, 405, "PUT") is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (find({"project": GOOD | {"name": 1}}), '1 is not of type "string"'),
        (find({"project": {**GOOD, "secret": "s"}}), "'secret' was unexpected"),
        (find({"project": {key: GOOD[key] for key in ("id", "name")}}), "required property"),
        (find({"project": GOOD | {"owner": {"id": "1"}}}), "required property"),
        (find({"error": "teapot"}, 418), "418 is not described"),
        (find({"error": "no"}, 401), "without ['WWW-Authenticate']"),
        (find({"project": GOOD}, headers={b"content-type": b"application/json"}), "without ['X-Request-Id']"),
        (find({"project": GOOD}, headers=HEADERS | {b"content-type": b"text/html"}), "200 is text/html"),
        (find({"project": GOOD}, method="HEAD"), "has a body"),
        (find({"a": 1}, 204, "DELETE"), "has a body"),
        (find({"project": GOOD}, method="PUT"), "a method that is not there"),
    ],
)
def test_what_is_wrong(wrong: str | None, words: str) -> None:
    assert wrong is not None
    assert words in wrong


def test_notes_it_of_a_real_application(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = api.app
    assert isinstance(checked, Checked)
    monkeypatch.setattr("dbyard.web.scalingo.encoding.apps.encode_all", lambda *_: b'{"apps": [1]}')
    api.get("/v1/apps")
    (fault,) = checked.faults
    assert fault.startswith("GET /v1/apps: 200: 1 is not of type")
    checked.faults.clear()
