"""Asking a server over HTTP as one of its users: what InfluxDB and Elasticsearch have in common."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

from dbyard.engines.bounded_socket import open_socket
from dbyard.errors import NotReady
from dbyard.model import Address


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes


class Dropped(NotReady):
    """The server closed the connection that it had just accepted, without an answer."""


class HttpSession:
    """One connection of one user, who logs in with each request."""

    def __init__(self, address: Address, connection: HTTPConnection, authorization: str, seconds: float) -> None:
        self._address = address
        self._seconds = seconds
        self._connection = connection
        self._authorization = authorization

    def request(self, method: str, path: str, body: str | None, content_type: str) -> Response:
        """Raises NotReady when no answer comes in time, Dropped when the connection was closed instead."""
        headers = {"Authorization": self._authorization, "Content-Type": content_type}
        try:
            if self._connection.sock is None:
                self._connection.sock = open_socket(self._address, self._seconds)
            try:
                self._connection.request(method, path, body, headers)
                response = self._connection.getresponse()
                return Response(response.status, response.read())
            except ConnectionError as error:
                raise Dropped(str(error) or type(error).__name__) from error
        except (OSError, HTTPException) as error:
            raise NotReady(str(error) or type(error).__name__) from error


@contextmanager
def open_session(address: Address, user: str, password: str, seconds: float) -> Iterator[HttpSession]:
    """A session whose every request may take so many seconds."""
    connection = HTTPConnection(address.host, address.port)
    try:
        authorization = "Basic " + b64encode(f"{user}:{password}".encode()).decode()
        yield HttpSession(address, connection, authorization, seconds)
    finally:
        connection.close()
