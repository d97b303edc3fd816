"""A typed client of the platform's HTTP API: one method per route; errors of `errors` with the server's messages.

`wait_usable` and `wait_closed` wait for the effect of a request.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

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
    PermanentError,
    RequestError,
    TimedOut,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
    UnsupportedMediaType,
)
from dbyard.wire import accounts, addons, catalogue, database_users, details, logs, projects, tokens
from dbyard.wire.events import AuditEventsAnswer

T = TypeVar("T")

TIMEOUT = httpx2.Timeout(30.0, connect=5.0)
STREAM_TIMEOUT = httpx2.Timeout(60.0, connect=5.0)
"""A stream is never silent for so long: the platform sends a heartbeat every 15 seconds."""
_REFUSALS: Mapping[int, type[RequestError]] = {
    error.status: error
    for error in (
        BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, Conflict, TooLarge, UnsupportedMediaType,
        TooManyRequests, Unavailable,
    )
}  # fmt: skip


class Client:
    """A client of one platform with one token; `with` closes its connections."""

    def __init__(self, url: str, token: str | None = None) -> None:
        """Raises ConfigError if `url` is not the URL of a web server. Sends nothing yet."""
        self.url = url.rstrip("/")
        host = _host(self.url)
        # On this machine no proxy of the environment is used.
        self._http = httpx2.Client(timeout=TIMEOUT, headers=_headers(token), trust_env=not is_loopback(host))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def create_database(self, new: wire.NewDatabase, *, idempotency_key: str | None = None) -> wire.Database:
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
        body = wire.CreateDatabase(new)
        return self._ask("POST", "/v1/databases", wire.DatabaseAnswer, body=body, headers=headers).database

    def list_databases(self) -> list[wire.Database]:
        """Newest last."""
        return self._ask("GET", "/v1/databases", wire.DatabasesAnswer).databases

    def get_database(self, database: str) -> wire.Database:
        """By id or name, like `database` in all methods."""
        return self._ask("GET", _path(database), wire.DatabaseAnswer).database

    def get_connection(self, database: str) -> wire.Connection:
        """Raises Conflict while the database cannot be used, with `current_operation_id` in `extra`."""
        return self._ask("GET", _path(database, "connection"), wire.ConnectionAnswer).connection

    def delete_database(self, database: str, *, confirm: str) -> None:
        """`confirm` is the database's name. It is no longer listed at once; its server and files go within seconds."""
        self._send("DELETE", _path(database), params={"confirm": confirm})

    def list_operations(self, database: str) -> list[wire.Operation]:
        """Newest first."""
        return self._ask("GET", _path(database, "operations"), wire.OperationsAnswer).operations

    def cancel_operation(self, database: str, operation: str) -> wire.Operation:
        path = f"{_path(database, 'operations')}/{_segment(operation, 'Operation')}/cancel"
        return self._ask("POST", path, wire.OperationAnswer).operation

    def retry_operation(self, database: str, operation: str) -> wire.Operation:
        """The new operation."""
        path = f"{_path(database, 'operations')}/{_segment(operation, 'Operation')}/retry"
        return self._ask("POST", path, wire.OperationAnswer).operation

    def repair(self, database: str) -> wire.Operation:
        """The operation that brings its server to what is wanted of it."""
        return self._ask("POST", _path(database, "repair"), wire.OperationAnswer).operation

    def get_logs(self, database: str, lines: int) -> list[str]:
        """The last lines of the database server's own log, oldest first."""
        return self._ask("GET", _path(database, "logs"), logs.LogsAnswer, params={"lines": str(lines)}).lines

    def follow_logs(self, database: str, lines: int) -> Iterator[str]:
        """The last lines, then new ones as they are written, until the database is deleted or the platform stops."""
        params = {"lines": str(lines), "follow": "true"}
        url, headers = self.url + _path(database, "logs"), {"Accept": "text/event-stream"}
        with (
            self._reaching(),
            self._http.stream("GET", url, params=params, headers=headers, timeout=STREAM_TIMEOUT) as response,
        ):
            if not response.is_success:
                response.read()
                raise _refusal(response, self.url)
            yield from read_events(response.iter_bytes())

    def get_details(self, database: str) -> details.DatabaseDetails:
        """Its server, its limits, and the state of its disk."""
        return self._ask("GET", _details_path(database), details.DetailsAnswer).database

    def get_metrics(self, database: str) -> details.MetricsAnswer:
        """Its current usage."""
        return self._ask("GET", f"{_details_path(database)}/metrics", details.MetricsAnswer)

    def change_plan(self, database: wire.Database, plan: str) -> None:
        """By the plan's id or name. The plan applies as soon as the database can be used again."""
        path = f"/v1/apps/{database.id}/addons/ad-{database.id}"
        self._send("PATCH", path, body=addons.ChangeAddon(addons.NewPlan(plan)))

    def list_users(self, database: str) -> list[database_users.DatabaseUser]:
        return self._ask("GET", f"{_details_path(database)}/users", database_users.DatabaseUsersAnswer).users

    def reset_password(self, database: str, user: str) -> database_users.PasswordAnswer:
        """The user with its new password; `current_operation_id` is set until the server has the password."""
        path = f"{_details_path(database)}/users/{_segment(user, 'User')}/reset_password"
        return self._ask("POST", path, database_users.PasswordAnswer)

    def list_events(
        self, database: str | None, *, page: int, per_page: int, everyone: bool = False
    ) -> AuditEventsAnswer:
        """Of a database, else of the account; newest first. `everyone` is for administrators: of all accounts."""
        path = "/v1/audit/events" if database is None else _path(database, "events")
        params = {"page": str(page), "per_page": str(per_page), **({"all": "true"} if everyone else {})}
        return self._ask("GET", path, AuditEventsAnswer, params=params)

    def list_tokens(self) -> list[tokens.Token]:
        return self._ask("GET", "/v1/tokens", tokens.TokensAnswer).tokens

    def create_token(self, new: tokens.NewToken) -> tokens.Token:
        """Only this answer and that of `renew_token` contain the token's value."""
        return self._ask("POST", "/v1/tokens", tokens.TokenAnswer, body=tokens.CreateToken(new)).token

    def renew_token(self, token_id: str) -> tokens.Token:
        """The same token with a new value; the old value is invalid."""
        path = f"/v1/tokens/{_segment(token_id, 'Token')}/renew"
        return self._ask("PATCH", path, tokens.TokenAnswer).token

    def revoke_token(self, token_id: str) -> None:
        self._send("DELETE", f"/v1/tokens/{_segment(token_id, 'Token')}")

    def list_projects(self) -> list[projects.Project]:
        """Yours, oldest first."""
        return self._ask("GET", "/v1/projects", projects.ProjectsAnswer).projects

    def create_project(self, new: projects.NewProject) -> projects.Project:
        return self._ask("POST", "/v1/projects", projects.ProjectAnswer, body=projects.CreateProject(new)).project

    def update_project(self, project_id: str, change: projects.ProjectChange) -> projects.Project:
        path = f"/v1/projects/{_segment(project_id, 'Project')}"
        return self._ask("PATCH", path, projects.ProjectAnswer, body=projects.UpdateProject(change)).project

    def delete_project(self, project_id: str) -> None:
        """Raises Conflict if it has databases or is the default project."""
        self._send("DELETE", f"/v1/projects/{_segment(project_id, 'Project')}")

    def list_accounts(self) -> list[accounts.Account]:
        """The platform's accounts, oldest first. For administrators, like the next two methods."""
        return self._ask("GET", "/v1/users", accounts.AccountsAnswer).users

    def create_account(self, new: accounts.NewAccount) -> accounts.Account:
        """Only this answer contains the account's first token."""
        return self._ask("POST", "/v1/users", accounts.AccountAnswer, body=accounts.CreateAccount(new)).user

    def update_account(self, user: str, change: accounts.AccountChange) -> accounts.Account:
        """By id or username."""
        path = f"/v1/users/{_segment(user, 'User')}"
        return self._ask("PATCH", path, accounts.AccountAnswer, body=accounts.UpdateAccount(change)).user

    def list_providers(self) -> list[catalogue.AddonProvider]:
        """The technologies with their versions and plans; no token needed."""
        return self._ask("GET", "/v1/addon_providers", catalogue.AddonProvidersAnswer).addon_providers

    def list_plans(self, technology: str) -> list[catalogue.Plan]:
        """No token needed."""
        path = f"/v1/addon_providers/{_segment(technology, 'Technology')}/plans"
        return self._ask("GET", path, catalogue.PlansAnswer).plans

    def get_health(self) -> wire.Health:
        """No token needed."""
        return self._ask("GET", "/healthz", wire.Health)

    def _ask(self, method: str, path: str, answer: type[T], **options: Any) -> T:
        response = self._send(method, path, **options)
        try:
            return msgspec.json.decode(response.content, type=answer)
        except msgspec.DecodeError as error:
            raise Unreachable(f"what answers at {self.url} is not dbyard ({method} {path}: {error})") from error

    def _send(
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


_HINT = "start a platform with `dbyard serve`, or name another one in DBYARD_URL"


def wait_usable(
    client: Client, database: str, *, timeout: float, report: Callable[[wire.Operation], None]
) -> wire.Connection:
    """The connection, as soon as it works; until then `report` gets the active operation at each poll.

    Raises PermanentError with the cause if the operation fails, TimedOut after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    for pause in _pauses():
        try:
            return client.get_connection(database)
        except Conflict as refusal:
            _look(client, database, refusal, report)
        if time.monotonic() > deadline:
            raise TimedOut(f"{database} cannot be used after {timeout:g} s; the platform continues")
        time.sleep(pause)
    raise AssertionError("pauses never end")


def wait_closed(connection: wire.Connection, *, timeout: float) -> None:
    """Wait until the port of a deleted database is closed; raises TimedOut after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    for pause in _pauses():
        if not _listens(connection.host, connection.port):
            return
        if time.monotonic() > deadline:
            raise TimedOut(f"port {connection.port} is still open after {timeout:g} s; the platform continues")
        time.sleep(pause)


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


def _path(database: str, *rest: str) -> str:
    return "/".join(("/v1/databases", _segment(database, "Database"), *rest))


def _details_path(database: str) -> str:
    return f"/api/databases/{_segment(database, 'Database')}"


def _segment(value: str, noun: str) -> str:
    """A path segment. Empty and dotted names would reach another route, so they are not found."""
    if value in ("", ".", ".."):
        raise NotFound(f"{noun} not found")
    return quote(value, safe="")


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


def _pauses() -> Iterator[float]:
    """From 20 ms, because a database may be ready at once, up to half a second."""
    pause = 0.02
    while True:
        yield pause
        pause = min(pause * 1.5, 0.5)


def _look(client: Client, database: str, refusal: Conflict, report: Callable[[wire.Operation], None]) -> None:
    operations = client.list_operations(database)
    if not operations:
        raise refusal
    latest = operations[0]
    if latest.status == "error":
        error = latest.error or wire.OperationError("unknown", str(refusal))
        raise PermanentError(f"{database}: {latest.kind} failed at {latest.step}: {error.message}", code=error.code)
    if latest.status == "done" and refusal.extra.get("current_operation_id") is None:
        raise refusal  # no operation is active that could change it: its disk is full
    report(latest)


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False
