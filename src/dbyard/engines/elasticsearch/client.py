"""Asking a server over HTTP, as the platform or as its tenant."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from typing import Any

from dbyard.errors import DbyardError, NotReady, TemporaryError
from dbyard.model import Address

_UNAVAILABLE = (429, 502, 503, 504)


class Refused(DbyardError):
    """The server answered, and not as wished."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status


class Session:
    """One connection of one user; JSON goes in and comes out."""

    def __init__(self, connection: HTTPConnection, authorization: str) -> None:
        self._connection = connection
        self._headers = {"Authorization": authorization, "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer; raises NotReady when there is none, Refused when it is an error."""
        text = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, path, text, self._headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, HTTPException) as error:
            raise NotReady(str(error) or type(error).__name__) from error
        if response.status in _UNAVAILABLE:
            raise NotReady(_reason(answer))
        if response.status >= 400:
            raise Refused(response.status, _reason(answer))
        return json.loads(answer) if answer else None

    def find(self, path: str) -> Any:
        """What is at `path`; None when nothing is."""
        try:
            return self.ask("GET", path)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def is_let_in(self) -> bool:
        """Whether the server knows the user by this password."""
        try:
            self.ask("GET", "/")
        except Refused as error:
            if error.status == 401:
                return False
            raise
        return True


@contextmanager
def log_in(address: Address, user: str, password: str, seconds: float) -> Iterator[Session]:
    """A session whose refusals become TemporaryError; there is a login with each of its requests."""
    connection = HTTPConnection(address.host, address.port, timeout=seconds)
    try:
        yield Session(connection, "Basic " + b64encode(f"{user}:{password}".encode()).decode())
    except Refused as error:
        raise TemporaryError(f"the server refuses: {error}", code="refused") from error
    finally:
        connection.close()


def _reason(answer: bytes) -> str:
    """What an error says, in one line; servers answer in JSON or in plain words."""
    try:
        told = json.loads(answer)
        error = told.get("error") or told.get("message") or told
        return str(error.get("reason") if isinstance(error, dict) else error)[:300]
    except (ValueError, AttributeError):
        return answer.decode("utf-8", "replace").strip()[:300]
