"""Requests to a platform and what they answer: decoded, or raised as an error of `errors` with the server's message."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import msgspec

from dbyard import wire
from dbyard.errors import (
    BadRequest,
    ConfigError,
    Conflict,
    DbyardError,
    Forbidden,
    Invalid,
    MethodNotAllowed,
    NotFound,
    RequestError,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
    UnsupportedMediaType,
)

T = TypeVar("T")
Self = TypeVar("Self", bound="Transport")

TIMEOUT = httpx2.Timeout(30.0, connect=5.0)
STREAM_TIMEOUT = httpx2.Timeout(60.0, connect=5.0)
"""A stream is never silent for so long: the platform sends a heartbeat every 15 seconds."""
UPLOAD_TIMEOUT = httpx2.Timeout(600.0, connect=5.0)
"""Others' uploads may come first, and a store may be slow."""
_REFUSALS: Mapping[int, type[RequestError]] = {
    error.status: error
    for error in (
        BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, Conflict, TooLarge, UnsupportedMediaType,
        TooManyRequests, Unavailable,
    )
}  # fmt: skip
_HINT = "start a platform with `dbyard serve`, or name another one in DBYARD_URL"


class Transport:
    """The connections to one platform with one token; `with` closes them."""

    def __init__(self, url: str, token: str | None = None) -> None:
        """Raises ConfigError if `url` is not the URL of a web server. Sends nothing yet."""
        self.url = url.rstrip("/")
        host = _host(self.url)
        # To load the machine's certificates takes longer than a request, and is of no use without TLS.
        verify = True if self.url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        trust_env = not is_loopback(host)  # on this machine no proxy of the environment is used
        self._http = httpx2.Client(timeout=TIMEOUT, headers=_headers(token), verify=verify, trust_env=trust_env)

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def stream(self, path: str, params: Mapping[str, str]) -> Iterator[str]:
        """The data of each server-sent event."""
        headers = {"Accept": "text/event-stream"}
        with (
            self._reaching(),
            self._http.stream(
                "GET", self.url + path, params=params, headers=headers, timeout=STREAM_TIMEOUT
            ) as response,
        ):
            if not response.is_success:
                response.read()
                raise _refusal(response, self.url)
            yield from read_events(response.iter_bytes())

    def read_parts(self, url: str, start: int) -> Iterator[bytes]:
        """What a link is for, without the token, from that byte on."""
        headers = {"Range": f"bytes={start}-", "Authorization": ""} if start else {"Authorization": ""}
        with self._reaching(), self._http.stream("GET", url, headers=headers, timeout=STREAM_TIMEOUT) as response:
            if not response.is_success:
                response.read()
                raise _refusal(response, self.url)
            yield from response.iter_bytes()

    def upload(
        self, path: str, pieces: Iterable[bytes], answer: type[T], params: Mapping[str, str], size: int | None
    ) -> T:
        """Send bytes as they come; `size` is how many there are, where that is known."""
        headers = {"Content-Type": "application/octet-stream"}
        headers |= {"Content-Length": str(size)} if size is not None else {}
        with self._reaching():
            response = self._http.request(
                "POST", self.url + path, content=pieces, params=params, headers=headers, timeout=UPLOAD_TIMEOUT
            )
        if not response.is_success:
            raise _refusal(response, self.url)
        return self._decode(response, answer, "POST", path)

    def ask(self, method: str, path: str, answer: type[T], **options: Any) -> T:
        return self._decode(self.send(method, path, **options), answer, method, path)

    def _decode(self, response: httpx2.Response, answer: type[T], method: str, path: str) -> T:
        try:
            return msgspec.json.decode(response.content, type=answer)
        except msgspec.DecodeError as error:
            raise Unreachable(f"what answers at {self.url} is not dbyard ({method} {path}: {error})") from error

    def send(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        content = None if body is None else msgspec.json.encode(body)
        sent = {"Content-Type": "application/json", **(headers or {})} if content else headers
        with self._reaching():
            response = self._http.request(method, self.url + path, content=content, params=params, headers=sent)
        if not response.is_success:
            raise _refusal(response, self.url)
        return response

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except httpx2.ConnectError as error:
            raise Unreachable(f"nothing answers at {self.url} ({error}); {_HINT}") from error
        except httpx2.RequestError as error:
            raise Unreachable(f"{self.url} did not answer: {_words(error)}") from error


def read_events(parts: Iterable[bytes]) -> Iterator[str]:
    """The data of each server-sent event. Lines must end with a line feed, as the platform sends them."""
    rest, fields = b"", list[str]()
    for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            if line.startswith(b"data: "):
                fields.append(line.removeprefix(b"data: ").decode(errors="replace"))
            elif not line and fields:
                yield "\n".join(fields)
                fields = []


def is_loopback(host: str) -> bool:
    """Whether a URL's host is this machine, without a DNS lookup."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises ValueError if it is not a port
    except ValueError as error:
        raise ConfigError(f"{url!r} is not the URL of a platform: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{url!r} is not the URL of a platform, such as http://127.0.0.1:7878")
    return parts.hostname


def _headers(token: str | None) -> dict[str, str]:
    headers = {"Accept": "application/json", "User-Agent": "dbyard"}
    return {**headers, "Authorization": f"Bearer {token}"} if token else headers


def _words(error: httpx2.RequestError) -> str:
    if isinstance(error, httpx2.TimeoutException):
        return "timed out"
    return str(error) or type(error).__name__


def _refusal(response: httpx2.Response, url: str) -> DbyardError:
    """The error of a response, with the server's message."""
    body = _object(response.content)
    if response.status_code == Invalid.status and "errors" in body:
        return _invalid(body) or _not_dbyard(response, url)
    message = body.get("error")
    if not isinstance(message, str):
        return _not_dbyard(response, url)
    refusal = _REFUSALS.get(response.status_code)
    if refusal is None:
        return DbyardError(f"{message} (HTTP {response.status_code})")
    return refusal(message, extra={key: value for key, value in body.items() if key != "error"})


def _invalid(body: dict[str, Any]) -> Invalid | None:
    try:
        return Invalid(msgspec.convert(body, wire.Errors).errors)
    except msgspec.ValidationError:
        return None


def _not_dbyard(response: httpx2.Response, url: str) -> Unreachable:
    return Unreachable(f"what answers at {url} is not dbyard (HTTP {response.status_code} without a reason)")


def _object(content: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
