"""A small real HTTP server that answers what a test tells it to, and a runner of `dbyard` that talks with it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from dbyard import wire
from dbyard.__main__ import main
from tests.ports import CLOSED, own

Answer = tuple[int, object]
End = None


class Streamed:
    """An answer in parts: server-sent events, sent as the test puts them in, until it puts `End`."""

    def __init__(self) -> None:
        self.parts: queue.Queue[bytes | None] = queue.Queue()


class FakePlatform:
    """Routes to answers: the first of a route's is used up until the last, which stays."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], list[Answer]] = {}
        self.requests: list[tuple[str, str, Mapping[str, str], bytes]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def on(self, method: str, path: str, *answers: Answer) -> None:
        self.answers[method, path] = list(answers)

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        self.requests.append((method, target, headers, body))
        queue = self.answers.get((method, target.partition("?")[0]))
        if not queue:
            return 404, wire.Error("Database not found")
        return queue.pop(0) if len(queue) > 1 else queue[0]

    def sent(self, method: str) -> list[tuple[str, bytes]]:
        return [(target, body) for each, target, _, body in self.requests if each == method]


def _handler(platform: FakePlatform) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.read_chunks() if "Transfer-Encoding" in self.headers else self.read_whole()
            status, answer = platform.answer(self.command, self.path, dict(self.headers), body)
            if isinstance(answer, Streamed):
                self.send_stream(answer)
                return
            content = answer if isinstance(answer, bytes) else b"" if answer is None else msgspec.json.encode(answer)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def read_whole(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def read_chunks(self) -> bytes:
            found = b""
            while size := int(self.rfile.readline(), 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found

        def send_stream(self, streamed: Streamed) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while (part := streamed.parts.get()) is not End:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")

        do_GET = do_POST = do_PATCH = do_DELETE = handle_any

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@pytest.fixture
def platform() -> Iterator[FakePlatform]:
    made = FakePlatform()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def run(platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `dbyard ARGS` in this process against the platform; the result has exit_code, stdout and stderr."""
    monkeypatch.setenv("DBYARD_URL", platform.url)
    monkeypatch.setenv("DBYARD_TOKEN", "tk-us-test")

    def run(*arguments: str, input: str | None = None) -> Result:
        return CliRunner().invoke(main, arguments, input=input, prog_name="dbyard")

    return run


@pytest.fixture
def database() -> wire.Database:
    id, name = "54100930736f7563d5030000", "my-postgres-db"
    return wire.Database(id, name, "pr-1", "postgresql", "postgresql-starter-512", wire.App(id, name))


@pytest.fixture
def connection() -> wire.Connection:
    """The connection of a server that was never started: its port is closed."""
    port = own(CLOSED).start
    url = f"postgresql://app_1:s3cr3t@127.0.0.1:{port}/app_1"
    return wire.Connection(
        url, "127.0.0.1", port, "app_1", "s3cr3t", "app_1", "PEM", {"jdbc": f"jdbc:postgresql://127.0.0.1:{port}/app_1"}
    )


@pytest.fixture
def operation() -> wire.Operation:
    """A create operation at work."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    steps = [wire.OperationStep("allocate", now, "done", "")]
    return wire.Operation("op-1", "create", "running", "start", 1, None, steps, now, None, now)
