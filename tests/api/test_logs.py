"""`/api/databases/{database}/logs`: a link that shows a server's log for a while, in the form that clients read."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from tests.builders import seed_body
from tests.conftest import Clock, World

LOG = [
    "starting",
    "2027-01-15 07:59:58.123 UTC [17] LOG:  database system is ready",
    "\tat a line without a time",
    "2027-01-15 07:59:59.500 UTC [17] LOG:  checkpoint starting",
    "2027-13-45 99:00:00.000 UTC is no time",
]


@pytest.fixture
def made(api: TestClient) -> dict[str, Any]:
    database: dict[str, Any] = api.post("/v1/databases", json=seed_body()).json()["database"]
    return database


def link(api: TestClient, made: dict[str, Any]) -> str:
    url: str = api.get(f"/api/databases/ad-{made['id']}/logs").json()["url"]
    assert url.startswith("http://127.0.0.1:7878/")
    found = urlsplit(url)
    return f"{found.path}?{found.query}"


def test_a_link_shows_the_lines_without_a_token(api: TestClient, made: dict[str, Any], world: World) -> None:
    path = link(api, made)
    world.log = LOG
    del api.headers["Authorization"]
    answer = api.get(f"{path}&n=20&filter=")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    times = ["07:59:58.123000"] * 3 + ["07:59:59.500000"] * 2
    wanted = [f"2027-01-15 {time} +0000 UTC [postgresql-1] {line}" for time, line in zip(times, LOG, strict=True)]
    assert answer.text.splitlines() == wanted
    assert answer.text.splitlines()[0].split(" ")[4] == "[postgresql-1]"


def test_lines_and_servers_can_be_chosen(api: TestClient, made: dict[str, Any], world: World) -> None:
    world.log = LOG
    path = link(api, made)
    assert len(api.get(f"{path}&n=2").text.splitlines()) == 2
    assert len(api.get(f"{path}&filter=postgresql-1|web").text.splitlines()) == len(LOG)
    assert api.get(f"{path}&filter=web").text == ""
    assert api.get(f"{path}&n=0").json() == {"errors": {"n": ["should be a number between 1 and 10000"]}}


def test_a_link_ends_after_five_minutes(api: TestClient, made: dict[str, Any], clock: Clock) -> None:
    path = link(api, made)
    clock.advance(299)
    assert api.get(path).status_code == 200
    clock.advance(1)
    assert api.get(path).status_code == 404


def test_a_link_is_for_one_database_and_no_other_token_is_one(api: TestClient, made: dict[str, Any]) -> None:
    other = api.post("/v1/databases", json=seed_body("another-db")).json()["database"]
    addon = api.post(f"/v1/apps/{made['id']}/addons/ad-{made['id']}/token").json()["addon"]["token"]
    path = link(api, made)
    wrong = [
        path.replace(made["id"], other["id"], 1),
        path[:-2],
        path.partition("?")[0],
        f"{path.partition('?')[0]}?token={addon}",
    ]
    for each in wrong:
        assert api.get(each).status_code == 404, each
    token = path.partition("token=")[2]
    assert api.get("/v1/databases", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    api.delete(f"/v1/apps/{made['id']}?current_name={made['name']}")
    assert api.get(path).status_code == 404


def test_no_archives(api: TestClient, made: dict[str, Any]) -> None:
    found = api.get(f"/api/databases/{made['id']}/logs_archives?page=1").json()
    assert found == {"archives": [], "next_cursor": None, "has_more": False}
