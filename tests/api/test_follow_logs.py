"""`GET /v1/databases/{database}/logs?follow=true`: a stream over real connections, with an end on either side."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx2
import pytest

from dbyard.client import Client, read_events
from dbyard.errors import NotFound
from dbyard.metrics import Metrics
from dbyard.service import Service
from dbyard.service.databases import logs as log_service
from dbyard.web import followers
from dbyard.web.api import logs
from dbyard.web.app import THREADS, create_app
from dbyard.wire import NewDatabase
from dbyard.wire.tokens import NewToken
from tests.answers import Checked
from tests.api.serving import Server, serving
from tests.conftest import World
from tests.e2e.platforms import wait_for

NAME = "my-postgres-db"
LOGS = f"/v1/databases/{NAME}/logs"


@pytest.fixture
def server(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(logs, "FOLLOW_SECONDS", 0.01)
    app = Checked(create_app(service, Metrics()))
    with serving(app) as server:
        yield server
    assert app.faults == []


@pytest.fixture
def url(server: Server) -> str:
    return f"http://{server.address}"


@pytest.fixture
def client(url: str, token: str) -> Iterator[Client]:
    with Client(url, token) as client:
        client.create_database(NewDatabase(NAME, "postgresql", "postgresql-starter-512"))
        yield client


@contextmanager
def following(url: str, token: str, **params: str) -> Iterator[httpx2.Response]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.stream("GET", url + LOGS, params={"follow": "true"} | params, headers=headers, timeout=30) as response:
        yield response


def test_sends_an_event_a_line(url: str, token: str, client: Client, world: World) -> None:
    world.log = ["zero", "one", "two \u2028 in a line", "a\rb"]
    with following(url, token, lines="3") as response:
        assert (response.status_code, response.headers["content-type"]) == (200, "text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        assert "x-request-id" in response.headers
        events = read_events(response.iter_bytes())
        assert list(itertools.islice(events, 3)) == ["one", "two \u2028 in a line", "a\nb"]
        world.log.append("three")
        assert next(events) == "three"


def test_shows_that_it_lives(url: str, token: str, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "HEARTBEAT_SECONDS", 0.02)
    with following(url, token) as response:
        assert next(response.iter_bytes()) == b": no news\n\n"


def test_ends_with_its_database(client: Client, world: World) -> None:
    world.log = ["one"]
    lines = client.follow_logs(NAME, 10)
    assert next(lines) == "one"
    client.delete_database(NAME, confirm=NAME)
    assert list(lines) == []


def test_ends_with_its_token(url: str, client: Client, world: World) -> None:
    world.log = ["one"]
    made = client.create_token(NewToken("follower"))
    with Client(url, str(made.token)) as follower:
        lines = follower.follow_logs(NAME, 10)
        assert next(lines) == "one"
        client.revoke_token(made.id)
        assert list(lines) == []


def test_ends_with_the_platform(server: Server, client: Client, world: World) -> None:
    world.log = ["one"]
    lines = client.follow_logs(NAME, 10)
    assert next(lines) == "one"
    server.stop()
    assert list(lines) == []


def test_stops_reading_when_the_client_is_gone(
    url: str, token: str, client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.log, closed, real = ["one"], threading.Event(), log_service.follow

    def follow(*arguments: Any) -> Iterator[Any]:
        try:
            yield from real(*arguments)
        finally:
            closed.set()

    monkeypatch.setattr(log_service, "follow", follow)
    with following(url, token) as response:
        events = read_events(response.iter_bytes())
        assert next(events) == "one"
        assert not closed.is_set()
    assert closed.wait(30)


def test_followers_hold_no_thread(url: str, token: str, client: Client, world: World) -> None:
    world.log = ["one"]
    with ExitStack() as stack:
        responses = [stack.enter_context(following(url, token)) for _ in range(2 * THREADS)]
        events = [read_events(response.iter_bytes()) for response in responses]
        assert [next(each) for each in events] == ["one"] * len(events)
        assert client.get_logs(NAME, 1) == ["one"]  # this one needs a thread as well
        world.log.append("two")
        assert [next(each) for each in events] == ["two"] * len(events)


def test_refuses_before_it_begins(client: Client, url: str, token: str) -> None:
    with pytest.raises(NotFound, match="Database not found"):
        next(client.follow_logs("nobodys-db", 10))
    with following(url, token, lines="0") as response:
        assert response.status_code == 422
    with following(url, "tk-us-wrong") as response:
        assert response.status_code == 401
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx2.get(f"{url}{LOGS}?follow=perhaps", headers=headers).status_code == 422


def test_head_has_the_headers_alone(url: str, token: str, client: Client) -> None:
    answer = httpx2.head(f"{url}{LOGS}?follow=true", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "text/event-stream", b"")


def test_only_so_many_follow_one_log(url: str, token: str, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "MOST_OF_ONE", 2)
    with following(url, token), following(url, token):
        with following(url, token) as refused:
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "10")
        with httpx2.Client() as other:
            headers = {"Authorization": f"Bearer {token}"}
            assert other.get(url + LOGS, headers=headers).status_code == 200
    wait_for(lambda: is_open(url, token), lambda: "the streams are still counted", 10)


def is_open(url: str, token: str) -> bool:
    with following(url, token) as response:
        return response.status_code == 200
