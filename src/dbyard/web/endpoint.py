"""What happens to a request: authenticate, decode, handle, encode. Handlers are plain functions of a `Call`.

This module, `authentication`, `shares`, `streams` and `sockets` are the only asynchronous code.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import msgspec
from prometheus_client import Counter, Histogram
from starlette.types import Receive, Scope, Send

from dbyard.errors import Conflict, MethodNotAllowed, NotFound, RequestError, TooManyRequests
from dbyard.metrics import Metrics
from dbyard.model import Principal
from dbyard.service import Service
from dbyard.web.authentication import Guard
from dbyard.web.errors import internal_error, reply_to
from dbyard.web.followers import Followers
from dbyard.web.replies import Headers, Reply, Stream, Waiting, headers_for
from dbyard.web.requests import Disconnected, read_body
from dbyard.web.routes import CachePolicy, Call, Explain, Method, Route, Whole
from dbyard.web.shares import Shares
from dbyard.web.streams import send_parts
from dbyard.web.uploads import Upload, check_type

T = TypeVar("T")

logger = logging.getLogger(__name__)

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LEAST_PAUSE, _MOST_PAUSE = 0.002, 0.05
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}\Z")


@dataclass(frozen=True, slots=True)
class Shared:
    """What all endpoints of one application share."""

    service: Service
    metrics: Metrics
    pool: ThreadPoolExecutor
    downloads: Executor
    guard: Guard
    databases: Shares
    accounts: Shares
    uploads: Shares
    upload_pool: ThreadPoolExecutor
    explain: Explain
    followers: Followers = field(default_factory=Followers)
    prefix: str = field(default_factory=lambda: secrets.token_hex(6))
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def request_id(self, given: bytes | None) -> bytes:
        """The client's own id if it is well-formed, to find its request again in our log."""
        if given is not None and _REQUEST_ID.match(given):
            return given
        return f"{self.prefix}-{next(self.numbers):x}".encode()


class HttpEndpoint:
    """Every method of one path, as an ASGI application that answers JSON whatever happens."""

    def __init__(self, shared: Shared, route: Route) -> None:
        self._shared = shared
        self.path = route.path
        self._methods = dict(route.methods)
        if "GET" in self._methods:
            self._methods["HEAD"] = self._methods["GET"]
        self._public = bool(self._methods) and all(method.public for method in self._methods.values())
        self._counts: dict[tuple[str, int], Counter] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        name: str = scope["method"]
        headers = dict(scope["headers"])
        request_id = self._shared.request_id(headers.get(b"x-request-id"))
        try:
            reply = await self._reply(name, scope, headers, receive)
        except RequestError as error:
            reply = reply_to(error)
        except Disconnected:
            return
        except Exception:
            logger.exception("request %s failed: %s %s", request_id.decode(), name, self.path)
            reply = internal_error()
        self._count(name, reply.status, time.perf_counter() - started)
        if isinstance(reply.body, bytes) or name == "HEAD":
            await _send(send, name, reply, request_id)
            return
        try:
            with self._shared.followers.count(scope["path"], reply.account_id):
                method = self._methods[name]
                check = self._checking(method, headers, scope)
                pool = self._shared.downloads if method.in_parts else self._shared.pool
                await send(_start(reply, [(b"x-request-id", request_id)]))
                await send_parts(reply.body, receive, send, pool, check)
        except TooManyRequests as error:
            await _send(send, name, reply_to(error), request_id)

    async def _reply(self, name: str, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> Reply:
        method = self._methods.get(name)
        principal = await self._authenticate(method, name, scope, headers)
        if method is None:
            raise self._refuse_method(name, scope["path"])
        body = await read_body(headers, receive) if method.body else b""
        call = Call(
            self._shared.service,
            self._shared.metrics,
            principal,
            scope["path_params"],
            headers,
            scope["query_string"],
            body,
        )
        if method.takes_upload:
            return await self._take_upload(method, call, receive)
        if method.runs_in_thread(call):
            return await self._run_in_thread(method, call)
        return _whole(_run(method, call))

    async def _take_upload(self, method: Method, call: Call, receive: Receive) -> Reply:
        """An upload may last for hours: it has no thread of those that answer other requests."""
        check_type(call.headers)
        upload = Upload()
        call.pieces = upload.pieces()
        async with self._shared.uploads.hold(call.principal.account.id):
            filling = asyncio.create_task(upload.fill(receive))
            try:
                run = asyncio.get_running_loop().run_in_executor
                return _whole(await run(self._shared.upload_pool, _run, method, call))
            finally:
                filling.cancel()

    async def _run_in_thread(self, method: Method, call: Call) -> Reply:
        if method.owner is not None:
            call.principal = method.owner(call)
        reply = await self._in_share(call, _run, method, call)
        return await self._await_answer(method, call, reply) if isinstance(reply, Waiting) else reply

    async def _in_share(self, call: Call, function: Callable[..., T], *arguments: object) -> T:
        """In a thread, of which the account has a share, and each of the databases it asks for a part of that.

        Whatever it names, also before it is known to be its own, it only waits for itself.
        """
        account = call.principal.account.id
        database = call.path.get("database") or call.path.get("app")
        one = f"{account}/{database}" if account and database else ""
        async with self._shared.databases.hold(one), self._shared.accounts.hold(account):
            return await self._in_pool(function, *arguments)

    async def _await_answer(self, method: Method, call: Call, waiting: Waiting[Any]) -> Reply:
        deadline, pause = time.monotonic() + waiting.seconds, _LEAST_PAUSE
        if waiting.pause:
            await asyncio.sleep(waiting.pause)
        while True:
            at_last = time.monotonic() >= deadline
            reply = await self._in_share(call, _poll, method, call, waiting, at_last)
            if reply is not None:
                return reply
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _MOST_PAUSE)

    async def _in_pool(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._shared.pool, function, *arguments)

    async def _authenticate(
        self, method: Method | None, name: str, scope: Scope, headers: dict[bytes, bytes]
    ) -> Principal:
        address = _address(scope)
        if method.public if method else self._public:
            return self._shared.guard.allow_anonymous(address, limited=method is None or method.limited)
        if len(headers) < len(scope["headers"]) and _times(scope["headers"], b"authorization") > 1:
            headers = headers | {b"authorization": b"several"}  # it is not known which one was meant
        return await self._shared.guard.authenticate(method, name, self.path, headers, address)

    def _checking(
        self, method: Method, headers: Mapping[bytes, bytes], scope: Scope
    ) -> Callable[[], Awaitable[object]]:
        """Raises Unauthorized once the token that opened a stream has ended."""
        return lambda: self._shared.guard.identify(method.auth, headers, _address(scope))

    def _refuse_method(self, name: str, path: str) -> RequestError:
        reason = self._shared.explain(name, path)
        if reason is not None:
            return Conflict(reason)
        if not self._methods:
            return NotFound("Not found: nothing has this path; GET /openapi.json describes those that there are")
        return MethodNotAllowed(f"Method not allowed: this path takes {self._allow}", headers={"Allow": self._allow})

    @cached_property
    def _allow(self) -> str:
        explained = {name for name in _METHODS if self._shared.explain(name, self.path)}
        return ", ".join(sorted(explained.union(self._methods)))

    @cached_property
    def _seconds(self) -> Histogram:
        return self._shared.metrics.request_seconds.labels(self.path)

    def _count(self, name: str, status: int, seconds: float) -> None:
        count = self._counts.get((name, status))
        if count is None:
            known = name if name in _METHODS else "other"
            count = self._shared.metrics.requests.labels(known, self.path, str(status))
            if known != "other":
                self._counts[name, status] = count
        count.inc()
        self._seconds.observe(seconds)


def _address(scope: Scope) -> str:
    return scope["client"][0] if scope["client"] else ""


def _times(headers: Headers, wanted: bytes) -> int:
    return sum(name == wanted for name, _ in headers)


def _run(method: Method, call: Call) -> Reply | Waiting[Any]:
    with _in_words_of(method):
        if not method.public:
            _resolve(method, call)
        if method.authorize is not None:
            method.authorize(call)
        answer = method.handler(call)
    return answer if isinstance(answer, Waiting) else _encode(method, call, answer)


def _poll(method: Method, call: Call, waiting: Waiting[Any], at_last: bool) -> Reply | None:
    """None until there is an answer."""
    with _in_words_of(method):
        answer = waiting.poll(at_last)
    return None if answer is None else _encode(method, call, answer)


def _whole(reply: Reply | Waiting[Any]) -> Reply:
    assert isinstance(reply, Reply), "only what runs in a thread can wait"  # noqa: S101
    return reply


@contextmanager
def _in_words_of(method: Method) -> Iterator[None]:
    try:
        yield
    except NotFound as error:
        if method.not_found is None:
            raise
        raise method.not_found(error) from None


def _encode(method: Method, call: Call, answer: Whole) -> Reply:
    if answer is None:
        return Reply(204, b"", ())
    if isinstance(answer, Reply):
        return answer
    if isinstance(answer, Stream):
        return Reply(method.status, answer.parts, headers_for(answer.media), call.principal.account.id)
    body = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
    if method.cache is not None:
        return _revalidate(method.cache, method, call, body)
    return Reply(method.status, body, headers_for(method.media))


def _resolve(method: Method, call: Call) -> None:
    """Other names of the same thing in the path; for the caller's own things, so a public path has none."""
    for parameter in method.parameters:
        if parameter.resolve is not None:
            call.path[parameter.name] = parameter.resolve(call, call.path[parameter.name])


def _revalidate(policy: CachePolicy, method: Method, call: Call, body: bytes) -> Reply:
    headers = ((b"cache-control", b"no-cache"), (b"etag", policy.etag.encode()), *policy.headers)
    given = [each.strip().removeprefix("W/") for each in (call.header(b"if-none-match") or "").split(",")]
    if policy.etag in given or given == ["*"]:
        return Reply(304, b"", headers)
    return Reply(method.status, body, ((b"content-type", method.media.encode()), *headers))


def _start(reply: Reply, more: Headers) -> dict[str, object]:
    return {"type": "http.response.start", "status": reply.status, "headers": [*reply.headers, *more]}


async def _send(send: Send, name: str, reply: Reply, request_id: bytes) -> None:
    """A reply whose body is whole; of a stream, which HEAD asks for, only the headers."""
    body = reply.body if isinstance(reply.body, bytes) else b""
    more = [(b"x-request-id", request_id)]
    if reply.status not in (204, 304):
        more.append((b"content-length", str(len(body)).encode()))
    await send(_start(reply, more))
    await send({"type": "http.response.body", "body": b"" if name == "HEAD" else body})
