"""A log that is followed through a websocket, over real connections: as a client sees it, and when one goes away."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from dbyard.client import Client
from dbyard.metrics import Metrics
from dbyard.service import Service
from dbyard.web import followers
from dbyard.web.app import create_app
from dbyard.web.scalingo import logs
from dbyard.wire import NewDatabase
from tests.api.serving import Server, serving
from tests.conftest import World
from tests.e2e.platforms import wait_for


@pytest.fixture
def server(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(logs, "FOLLOW_SECONDS", 0.01)
    with serving(create_app(service, Metrics())) as server:
        yield server


@pytest.fixture
def link(server: Server, token: str) -> str:
    """The path and query of a link to the log of a database."""
    with Client(f"http://{server.address}", token) as client:
        made = client.create_database(NewDatabase("my-postgres-db", "postgresql", "postgresql-starter-512"))
        url = urlsplit(client.send("GET", f"/api/databases/{made.id}/logs").json()["url"])
    return f"{url.path}?{url.query}"


def follow(server: Server, link: str) -> AbstractContextManager[ClientConnection]:
    return connect(f"ws://{server.address}{link}&stream=true", open_timeout=10, close_timeout=10)


def test_lines_come_as_they_are_written(server: Server, link: str, world: World) -> None:
    with follow(server, link) as client:
        world.log = ["2027-01-15 07:59:58.123 UTC [17] LOG:  ready", "caf\u00e9 \u2028 \r"]
        received = [json.loads(client.recv(timeout=10)) for _ in world.log]
    start = "2027-01-15 07:59:58.123000 +0000 UTC [postgresql-1]"
    assert [each["log"] for each in received] == [f"{start} {line}\n" for line in world.log]
    assert {each["event"] for each in received} == {"log"}


def test_a_client_that_goes_away_leaves_room(server: Server, link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "MOST_OF_ONE", 1)

    def opened() -> bool:
        try:
            with follow(server, link):
                return True
        except InvalidStatus:
            return False

    with follow(server, link) as gone:
        assert not opened()
        gone.socket.shutdown(socket.SHUT_RDWR)  # without a word
        wait_for(opened, lambda: "the socket is still counted", 10)


@pytest.mark.parametrize("message", ["x" * 5000, b"\0" * 5000])
def test_a_client_has_nothing_to_say(server: Server, link: str, message: str | bytes) -> None:
    with follow(server, link) as client:
        client.send("hello")
        client.send(message)
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009  # too big


def test_the_platform_stops_with_followers(server: Server, link: str) -> None:
    with follow(server, link) as client:
        server.stop()
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)


@pytest.mark.parametrize("path", ["/", "/v1/databases", "/nowhere", "/api/databases/x/logs/lines", "{link}x"])
def test_elsewhere_there_is_none(server: Server, link: str, caplog: pytest.LogCaptureFixture, path: str) -> None:
    url = f"ws://{server.address}{path.format(link=link)}"
    with caplog.at_level(logging.WARNING), pytest.raises(InvalidStatus) as refused, connect(url, open_timeout=10):
        raise AssertionError("it was accepted")
    assert refused.value.response.status_code == 404
    assert list(json.loads(refused.value.response.body)) == ["error"]
    assert refused.value.response.headers["x-request-id"]
    assert refused.value.response.headers["cache-control"] == "no-store"
    assert caplog.text == ""
