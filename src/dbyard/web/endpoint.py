"""The only asynchronous code: authenticate, decode, handle, encode. Handlers are plain functions of a `Call`."""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import msgspec
from prometheus_client import Counter, Histogram
from starlette.types import Receive, Scope, Send

from dbyard.errors import Invalid, MethodNotAllowed, NotFound, RequestError
from dbyard.metrics import Metrics
from dbyard.model import Principal
from dbyard.service import Service
from dbyard.web.bodies import Disconnected, read_body
from dbyard.web.guard import Guard
from dbyard.web.routes import JSON, Call, Kept, Route, Verb

logger = logging.getLogger(__name__)

INTERNAL_ERROR = "Internal error occured, we're on it!"

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}\Z")

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Platform:
    """What all endpoints of one application share."""

    service: Service
    metrics: Metrics
    pool: ThreadPoolExecutor
    guard: Guard
    prefix: str = field(default_factory=lambda: secrets.token_hex(6))
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def request_id(self, given: bytes | None) -> bytes:
        """The client's own id when it is a sane one, to find its request again in our log."""
        if given is not None and _REQUEST_ID.match(given):
            return given
        return f"{self.prefix}-{next(self.numbers):x}".encode()


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes
    headers: Headers


class Endpoint:
    """Every method of one path, as an ASGI application that answers JSON whatever happens."""

    def __init__(self, platform: Platform, route: Route) -> None:
        self._platform = platform
        self.path = route.path
        self._verbs = dict(route.verbs)
        if "GET" in self._verbs:
            self._verbs["HEAD"] = self._verbs["GET"]
        self._allow = ", ".join(sorted(self._verbs))
        self._public = bool(self._verbs) and all(verb.public for verb in self._verbs.values())
        self._counts: dict[tuple[str, int], Counter] = {}
        self._seconds: Histogram = platform.metrics.request_seconds.labels(self.path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        method: str = scope["method"]
        headers = dict(scope["headers"])
        request_id = self._platform.request_id(headers.get(b"x-request-id"))
        try:
            reply = await self._reply(method, scope, headers, receive)
        except RequestError as error:
            reply = _refusal(error)
        except Disconnected:
            return
        except Exception:
            logger.exception("request %s failed: %s %s", request_id.decode(), method, self.path)
            reply = Reply(500, msgspec.json.encode({"error": INTERNAL_ERROR}), _headers(JSON))
        await _send(send, method, reply, request_id)
        self._count(method, reply.status, time.perf_counter() - started)

    async def _reply(self, method: str, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> Reply:
        verb = self._verbs.get(method)
        principal = await self._admit(verb, method, scope, headers)
        if verb is None:
            raise self._refuse_method()
        body = await read_body(headers, receive) if verb.body else b""
        call = Call(
            self._platform.service,
            self._platform.metrics,
            principal,
            scope["path_params"],
            headers,
            scope["query_string"],
            body,
        )
        if verb.waits or verb.writes:
            return await asyncio.get_running_loop().run_in_executor(self._platform.pool, _run, verb, call)
        return _run(verb, call)

    async def _admit(self, verb: Verb | None, method: str, scope: Scope, headers: dict[bytes, bytes]) -> Principal:
        address = scope["client"][0] if scope["client"] else ""
        if verb.public if verb else self._public:
            return self._platform.guard.admit_anybody(address, limited=verb is None or verb.limited)
        if len(headers) < len(scope["headers"]) and _times(scope["headers"], b"authorization") > 1:
            headers = headers | {b"authorization": b"several"}  # nobody can know which one was meant
        return await self._platform.guard.admit(verb, method, self.path, headers, address)

    def _refuse_method(self) -> RequestError:
        if not self._verbs:
            return NotFound("Not found")
        return MethodNotAllowed("Method not allowed", headers={"Allow": self._allow})

    def _count(self, method: str, status: int, seconds: float) -> None:
        count = self._counts.get((method, status))
        if count is None:
            known = method if method in _METHODS else "other"
            count = self._platform.metrics.requests.labels(known, self.path, str(status))
            if known != "other":
                self._counts[method, status] = count
        count.inc()
        self._seconds.observe(seconds)


def _times(headers: Headers, wanted: bytes) -> int:
    return sum(name == wanted for name, _ in headers)


def _run(verb: Verb, call: Call) -> Reply:
    answer = verb.handler(call)
    if answer is None:
        return Reply(verb.status, b"", ())
    body = answer if isinstance(answer, bytes) else msgspec.json.encode(answer)
    if verb.kept is not None:
        return _keep(verb.kept, verb, call, body)
    return Reply(verb.status, body, _headers(verb.media))


def _keep(kept: Kept, verb: Verb, call: Call, body: bytes) -> Reply:
    headers = ((b"cache-control", b"no-cache"), (b"etag", kept.etag.encode()), *kept.headers)
    given = [each.strip().removeprefix("W/") for each in (call.header(b"if-none-match") or "").split(",")]
    if kept.etag in given or given == ["*"]:
        return Reply(304, b"", headers)
    return Reply(verb.status, body, ((b"content-type", verb.media.encode()), *headers))


def _refusal(error: RequestError) -> Reply:
    content = {"errors": error.fields} if isinstance(error, Invalid) else {"error": str(error), **error.extra}
    extra = tuple((name.lower().encode(), value.encode()) for name, value in error.headers.items())
    return Reply(error.status, msgspec.json.encode(content), _headers(JSON) + extra)


def _headers(media: str) -> tuple[tuple[bytes, bytes], ...]:
    # Answers hold secrets and change at any moment, so nobody on the way may keep them.
    return ((b"content-type", media.encode()), (b"cache-control", b"no-store"))


async def _send(send: Send, method: str, reply: Reply, request_id: bytes) -> None:
    headers = [*reply.headers, (b"x-request-id", request_id)]
    if reply.status not in (204, 304):
        headers.append((b"content-length", str(len(reply.body)).encode()))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else reply.body})
