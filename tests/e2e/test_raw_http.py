"""What no HTTP client would send, over a socket to a real platform: a clear refusal, and the next one is served."""

from __future__ import annotations

import json
import socket
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.e2e.platforms import Platform

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def served(home: Platform) -> Platform:
    return home.start()


def send(platform: Platform, *parts: bytes) -> tuple[int, dict[str, str], bytes]:
    """The answer to raw bytes, sent as long as anybody reads them."""
    address = urlsplit(platform.url)
    assert address.hostname
    assert address.port
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        try:
            for part in parts:
                connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has answered and closed
        received = b""
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except ConnectionResetError:
            pass
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


def send_open(platform: Platform, content: bytes) -> bytes:
    """The first bytes of the answer on a connection that stays open."""
    address = urlsplit(platform.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as connection:
        connection.sendall(content)
        return connection.recv(65536)


def get(*headers: bytes, path: bytes = b"/v1/databases") -> bytes:
    lines = [b"GET " + path + b" HTTP/1.1", b"Host: x", b"Connection: close", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def assert_refused(platform: Platform, status: int, *parts: bytes) -> None:
    found, headers, body = send(platform, *parts)
    assert found == status
    assert headers["content-type"] == "application/json"
    assert "injected" not in headers
    assert list(json.loads(body)) == ["error"]
    with platform.client() as client:
        assert client.list_databases() == []


class TestHeaders:
    @pytest.mark.parametrize(
        "header",
        [
            b"Authorization: Bearer x\rInjected: 1",
            b"Authorization: Bearer x\x00y",
            b"Authorization: Bearer x\x01y",
            b"Authoriz\x00ation: Bearer x",
            b"Authorization : Bearer x",
            b"Authorizati\xc3\xb6n: Bearer x",
            b"Content-Length: 1\r\nTransfer-Encoding: chunked",
            b"Content-Length: -1",
        ],
    )
    def test_that_are_none(self, served: Platform, header: bytes) -> None:
        assert_refused(served, 400, get(header))

    @pytest.mark.parametrize(
        "header",
        [
            b"Authorization: Bearer \xff\xfe",
            b"Authorization: Bearer \xf0\x9f\x98\x80",
            b"Authorization: Bearer x%0d%0aInjected:%201",
            b"Authorization: Basic Og==",
            b"Authorization: Bearer " + b"x" * 30_000,
            b"Injected: 1",
        ],
    )
    def test_without_a_token_in_them(self, served: Platform, header: bytes) -> None:
        assert_refused(served, 401, get(header))

    def test_with_two_tokens(self, served: Platform) -> None:
        token = (served.home / "admin-token").read_bytes().strip()
        right = b"Authorization: Bearer " + token
        assert send(served, get(right))[0] == 200
        for two in ([right, right], [right, b"Authorization: Bearer x"], [b"Authorization: Bearer x", right]):
            assert_refused(served, 401, get(*two))

    @pytest.mark.parametrize(
        "headers",
        [
            [b"Connection: Upgrade", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"],
            [b"Connection: Upgrade", b"Upgrade: websocket"],
            [b"Connection: Upgrade", b"Upgrade: TLS/1.0, \xff"],
        ],
    )
    def test_that_want_another_protocol_change_nothing(self, served: Platform, headers: list[bytes]) -> None:
        token = (served.home / "admin-token").read_bytes().strip()
        before = served.log()
        lines = [b"GET /v1/databases HTTP/1.1", b"Host: x", b"Authorization: Bearer " + token, *headers]
        assert send_open(served, b"\r\n".join(lines) + b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        assert served.log() == before

    def test_a_handshake_that_is_none_is_refused(self, served: Platform) -> None:
        lines = [b"GET /v1/databases HTTP/1.1", b"Host: x", b"Connection: Upgrade", b"Upgrade: websocket"]
        for more in (
            [b"Sec-WebSocket-Key: x"],
            [b"Sec-WebSocket-Key: " + b"A" * 22 + b"==", b"Sec-WebSocket-Version: 8"],
        ):
            answer = send_open(served, b"\r\n".join([*lines, *more]) + b"\r\n\r\n")
            assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 426 "))

    def test_a_request_id_is_not_echoed_into_others(self, served: Platform) -> None:
        _, headers, _ = send(served, get(b"X-Request-Id: a%0d%0aInjected: 1"))
        assert "injected" not in headers
        assert "%" not in headers["x-request-id"]


class TestSizes:
    @pytest.mark.parametrize("name", [b"Authorization: Bearer ", b"X-Long: "])
    def test_a_header_of_a_mebibyte(self, served: Platform, name: bytes) -> None:
        assert_refused(served, 400, get(name + b"x" * MIB))

    def test_a_head_that_never_ends(self, served: Platform) -> None:
        lines = (b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in range(10_000))
        assert_refused(served, 400, b"GET /healthz HTTP/1.1\r\nHost: x\r\n", *lines)

    def test_a_path_that_never_ends(self, served: Platform) -> None:
        assert_refused(served, 400, b"GET /", *([b"x" * 1000] * 10_000))

    def test_trailers_that_never_end(self, served: Platform) -> None:
        chunked = b"POST /v1/regions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        lines = [b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in range(10_000)]
        status, _, rest = send(served, chunked, *lines)
        assert status == 405  # answered before they began
        assert b"more than 65536 bytes" in rest

    def test_a_body_may_be_longer_than_a_head(self, served: Platform) -> None:
        token = (served.home / "admin-token").read_text().strip()
        body = b"{" + b" " * (MIB - 2) + b"}"
        answer = httpx2.post(f"{served.url}/v1/tokens", content=body, headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, list(answer.json())) == (422, ["errors"])


class TestPaths:
    @pytest.mark.parametrize(
        ("path", "status"),
        [
            (b"/v1/databases/../users", 404),
            (b"/v1/databases/%2e%2e/users", 404),
            (b"/v1/databases/..%2fusers", 404),
            (b"/v1%2Fdatabases", 404),
            (b"/v1/databases/%00", 404),
            (b"/v1/databases/a%00b/logs", 404),
            (b"//v1/databases", 404),
            (b"/docs/../../etc/passwd", 404),
            (b"/v1/databases/\x00", 400),
            (b"/v1/databases/\xff", 400),
        ],
    )
    def test_lead_where_they_say(self, served: Platform, path: bytes, status: int) -> None:
        token = (served.home / "admin-token").read_bytes().strip()
        assert_refused(served, status, get(b"Authorization: Bearer " + token, path=path))


def test_regions_tell_the_real_port(served: Platform) -> None:
    (region,) = httpx2.get(f"{served.url}/v1/regions").json()["regions"]
    assert region["api"] == region["database_api"] == served.url
    assert served.url.startswith("http://127.0.0.1:")
