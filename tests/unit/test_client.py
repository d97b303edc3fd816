"""The client against a server that says anything: every refusal becomes an error of ours with the server's words."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from dbyard import wire
from dbyard.client import Client, is_loopback, wait_closed
from dbyard.errors import (
    BadRequest,
    ConfigError,
    Conflict,
    DbyardError,
    Forbidden,
    Invalid,
    NotFound,
    TimedOut,
    TooLarge,
    Unauthorized,
    Unavailable,
    Unreachable,
    UnsupportedMediaType,
)
from dbyard.wire.tokens import NewToken


class Canned(HTTPServer):
    """Gives one answer to everything and keeps the last request."""

    status, body = 200, b"{}"
    requestline, headers, content = "", {}, b""  # type: ignore[var-annotated]


class Handler(BaseHTTPRequestHandler):
    server: Canned

    def handle_any(self) -> None:
        self.server.requestline, self.server.headers = self.requestline, dict(self.headers)
        self.server.content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_GET = do_POST = do_DELETE = handle_any

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Canned]:
    made = Canned(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def client(server: Canned) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{server.server_port}/", "tk-us-test") as made:
        yield made


class TestRequests:
    def test_create(self, server: Canned, client: Client) -> None:
        server.status = 201
        server.body = (
            b'{"database": {"id": "1", "name": "my-db", "project_id": "p", "technology": "redis",'
            b' "plan": "redis-starter-256", "app": {"id": "1", "name": "my-db"}, "new": "key"}}'
        )
        new = wire.NewDatabase(name="my-db", technology="redis", plan="redis-starter-256")
        assert client.create_database(new, idempotency_key="k").id == "1"
        assert server.headers["Authorization"] == "Bearer tk-us-test"
        assert server.headers["Content-Type"] == "application/json"
        assert server.headers["Idempotency-Key"] == "k"
        assert server.content == (b'{"database":{"name":"my-db","technology":"redis","plan":"redis-starter-256"}}')

    def test_names_are_quoted(self, server: Canned, client: Client) -> None:
        with pytest.raises(Unreachable):
            client.get_database("a/b ?#%")
        assert server.requestline == "GET /v1/databases/a%2Fb%20%3F%23%25 HTTP/1.1"

    def test_delete_confirms(self, server: Canned, client: Client) -> None:
        server.status, server.body = 204, b""
        client.delete_database("1", confirm="my-db")
        assert server.requestline == "DELETE /v1/databases/1?confirm=my-db HTTP/1.1"

    @pytest.mark.parametrize("name", ["", ".", ".."])
    def test_names_that_are_other_routes_are_not_sent(self, server: Canned, client: Client, name: str) -> None:
        with pytest.raises(NotFound):
            client.delete_database(name, confirm=name)
        assert server.requestline == ""

    def test_no_proxy_for_this_machine(self, server: Canned, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        server.body = b'{"status": "ok", "version": "1"}'
        with Client(f"http://127.0.0.1:{server.server_port}") as client:
            assert client.get_health().status == "ok"


class TestRefusals:
    @pytest.mark.parametrize(
        "kind",
        [BadRequest, Unauthorized, Forbidden, NotFound, Conflict, TooLarge, UnsupportedMediaType, Unavailable],
    )
    def test_status_is_the_class(self, server: Canned, client: Client, kind: type[DbyardError]) -> None:
        server.status, server.body = kind.status, b'{"error": "the reason"}'
        with pytest.raises(kind, match=r"^the reason$"):
            client.list_databases()

    def test_conflict_keeps_the_operation(self, server: Canned, client: Client) -> None:
        server.status, server.body = 409, b'{"error": "busy", "current_operation_id": "op-1"}'
        with pytest.raises(Conflict) as caught:
            client.get_connection("my-db")
        assert caught.value.extra == {"current_operation_id": "op-1"}

    def test_invalid_keeps_the_fields(self, server: Canned, client: Client) -> None:
        server.status, server.body = 422, b'{"errors": {"name": ["is taken"], "plan": ["is none", "is odd"]}}'
        with pytest.raises(Invalid) as caught:
            client.create_token(NewToken("x"))
        assert caught.value.fields == {"name": ["is taken"], "plan": ["is none", "is odd"]}

    def test_another_status_is_told(self, server: Canned, client: Client) -> None:
        server.status, server.body = 500, b'{"error": "Internal error"}'
        with pytest.raises(DbyardError, match=r"Internal error \(HTTP 500\)"):
            client.list_databases()

    @pytest.mark.parametrize("status", [200, 201, 302, 404, 422, 502])
    @pytest.mark.parametrize(
        "body", [b"", b"<html>", b"[]", b'"x"', b'{"error": 1}', b'{"errors": {"a": "b"}}', b"\xff"]
    )
    def test_what_is_not_dbyard(self, server: Canned, client: Client, status: int, body: bytes) -> None:
        server.status, server.body = status, body
        with pytest.raises(Unreachable, match="is not dbyard"):
            client.list_databases()


class TestUnreachable:
    def test_says_where_and_how_to_go_on(self) -> None:
        with Client(f"http://127.0.0.1:{_closed_port()}") as client, pytest.raises(Unreachable) as caught:
            client.list_databases()
        assert client.url in str(caught.value)
        assert "dbyard serve" in str(caught.value)

    def test_a_server_that_hangs_up(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=lambda: listener.accept()[0].close())
            thread.start()
            with Client(f"http://127.0.0.1:{listener.getsockname()[1]}") as client, pytest.raises(Unreachable):
                client.list_databases()
            thread.join()

    @pytest.mark.parametrize("url", ["", "127.0.0.1:7878", "ftp://host", "http://", "http://host:port", "http://[::1"])
    def test_no_url(self, url: str) -> None:
        with pytest.raises(ConfigError):
            Client(url)


class TestWaitClosed:
    def test_returns_when_nothing_listens(self) -> None:
        wait_closed(_connection(_closed_port()), timeout=0)

    def test_gives_up(self) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            pytest.raises(TimedOut, match="the platform continues"),
        ):
            wait_closed(_connection(listener.getsockname()[1]), timeout=0)


class TestIsLoopback:
    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
    def test_this_machine(self, host: str) -> None:
        assert is_loopback(host)

    @pytest.mark.parametrize("host", ["", "127.0.0.1.example.com", "localhost.example.com", "10.0.0.1", "127.example"])
    def test_not_surely_this_machine(self, host: str) -> None:
        assert not is_loopback(host)


def _closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _connection(port: int) -> wire.Connection:
    return wire.Connection("", "127.0.0.1", port, "", "", "", "")
