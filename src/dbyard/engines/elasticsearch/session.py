"""Asking a server over HTTP, as the platform or as its tenant."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dbyard.engines.elasticsearch.names import ADMIN
from dbyard.engines.http_session import HttpSession, open_session
from dbyard.errors import LockedOut, NotReady, Stuck, TemporaryError, WrongPassword
from dbyard.model import Address, Credentials

CHANGE_SECONDS = 15.0
ANSWER_SECONDS = 1.0
_SEARCH_SECONDS = 5.0
_EMPTY_SEARCH = "/*,-.*/_search?size=0"
_UNAVAILABLE = (429, 502, 503, 504)


class Refused(TemporaryError):
    """The server answered, and not as wished."""

    code = "configure_failed"

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"the server refuses: {status}: {reason}")
        self.status = status


class Session:
    """One connection of one user; JSON goes in and comes out."""

    def __init__(self, http: HttpSession) -> None:
        self._http = http

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer; raises NotReady when there is none, Refused when it is an error."""
        text = None if body is None else json.dumps(body)
        response = self._http.request(method, path, text, "application/json")
        if response.status in _UNAVAILABLE:
            raise NotReady(_reason(response.body))
        if response.status >= 400:
            raise Refused(response.status, _reason(response.body))
        return json.loads(response.body) if response.body else None

    def find(self, path: str) -> Any:
        """What is at `path`; None when nothing is."""
        try:
            return self.ask("GET", path)
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def is_let_in(self) -> bool:
        """Whether the server knows the user by this password, be it one that may do nothing."""
        try:
            self.ask("GET", "/")
        except Refused as error:
            if error.status not in (401, 403):
                raise
            return error.status == 403
        return True


@contextmanager
def log_in(address: Address, user: str, password: str, seconds: float) -> Iterator[Session]:
    """There is a login with each of a session's requests."""
    with open_session(address, user, password, seconds) as http:
        yield Session(http)


def ping(address: Address, credentials: Credentials) -> None:
    """Searches wait for threads of their own, which scripts that never end may all hold: Stuck tells that."""
    try:
        with log_in(address, ADMIN, credentials.admin_password, ANSWER_SECONDS) as session:
            session.ask("GET", "/")
    except Refused as error:
        raise (Stuck if error.status >= 500 else NotReady)(str(error)) from error
    _search(address, credentials)


def check_login(address: Address, credentials: Credentials) -> None:
    """An answer of 429 or 503 is that of a server with too much to do."""
    with log_in(address, credentials.user, credentials.password, _SEARCH_SECONDS) as session:
        try:
            session.ask("GET", "/")
        except Refused as error:
            if error.status == 401:
                raise WrongPassword("the tenant has another password than the platform knows") from error
            raise LockedOut(str(error)) from error


def _search(address: Address, credentials: Credentials) -> None:
    """A refusal is an answer as well: indices may be closed, or on their way back."""
    started = time.monotonic()
    try:
        with log_in(address, ADMIN, credentials.admin_password, _SEARCH_SECONDS) as session:
            session.ask("GET", _EMPTY_SEARCH)
    except TemporaryError:
        return
    except NotReady as error:
        if time.monotonic() - started >= _SEARCH_SECONDS:
            raise Stuck("no search is answered") from error


def _reason(answer: bytes) -> str:
    """What an error says, in one line; servers answer in JSON or in plain words."""
    try:
        told = json.loads(answer)
        error = told.get("error") or told.get("message") or told
        return str(error.get("reason") if isinstance(error, dict) else error)[:300]
    except (ValueError, AttributeError):
        return answer.decode("utf-8", "replace").strip()[:300]
