"""The route table as data: what a path answers to each method, who may ask, and how it is documented."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from dbyard.errors import Invalid, NotFound, RequestError
from dbyard.metrics import Metrics
from dbyard.model import Principal, Scope
from dbyard.service import Service
from dbyard.web.replies import JSON, Headers, Parts, Reply, Stream, Waiting
from dbyard.web.requests import decode, parse_query


@dataclass(slots=True)
class Call:
    """One request as a handler sees it: authenticated, its body read but not yet decoded."""

    service: Service
    metrics: Metrics
    principal: Principal
    path: dict[str, str]
    headers: Mapping[bytes, bytes]
    query_string: bytes
    body: bytes
    pieces: Iterable[bytes] = ()
    """The body as it comes, of a method that `takes_upload`; raises Disconnected where it breaks off."""

    def query(self, name: str) -> str | None:
        return parse_query(self.query_string).get(name) if self.query_string else None

    def flag(self, name: str, *, default: bool) -> bool:
        """A query parameter that is `true` or `false`; raises Invalid for anything else."""
        text = self.query(name)
        if text not in (None, "true", "false"):
            raise Invalid({name: ["should be true or false"]})
        return default if text is None else text == "true"

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def fields(self) -> dict[str, object]:
        return decode(self.body)


Explain = Callable[[str, str], str | None]
"""Why a method of a path that clients know cannot be done here; None if there is nothing to explain."""
SocketHandler = Callable[[Call], Parts]
Whole = msgspec.Struct | Sequence[msgspec.Struct] | bytes | Stream | Reply | None
Answer = Whole | Waiting[Any]
Handler = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    place: str
    description: str
    schema: Mapping[str, Any]
    required: bool = False
    source: str | None = None
    """Where answers carry the value: a JSON pointer such as `/database/id`."""
    resolve: Callable[[Call, str], str] | None = None
    """Of a path: turns another name of the same thing into the one that services know."""


class AuthScheme(StrEnum):
    """How a caller proves who it is."""

    BEARER = "bearer"
    """`Authorization: Bearer` with an API token or a JWT."""
    PASSWORD = "password"  # noqa: S105 - a word, not a password
    """That, or `Authorization: Basic` with a username or e-mail address and a password."""
    API_TOKEN = "api_token"  # noqa: S105
    """`Authorization: Basic` with no user and an API token for a password."""


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """For an answer that is the same for every caller: its ETag, by which a browser asks if its copy is current."""

    etag: str
    headers: Headers = ()
    """Sent with it."""


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a path. A handler that `writes` or is `blocking` runs in a thread, others on the loop."""

    handler: Handler
    summary: str
    answer: type[msgspec.Struct] | None
    many: bool = field(default=False, kw_only=True)
    """Answers a bare list of these."""
    status: int = 200
    public: bool = False
    """Answered without a token."""
    owner: Callable[[Call], Principal] | None = None
    """Of a public path that runs in a thread: for whom, by what is signed in the request; raises a RequestError."""
    auth: AuthScheme = AuthScheme.BEARER
    scope: Scope | None = None
    """The scope that a token needs, where that is not read for GET and write for the others. `ADMIN` also requires an
    administrator's account."""
    limited: bool = True
    """Counts for the rate limit."""
    alternative: type[msgspec.Struct] | None = None
    """What it may answer instead, as its parameters say."""
    blocking: bool | Callable[[Call], bool] = False
    body: type[msgspec.Struct] | None = None
    takes_upload: bool = False
    """Its body is bytes of any number, which the handler reads as they come, in a thread of its own."""
    authorize: Callable[[Call], object] | None = None
    """Called before the handler; its error comes before any error in the body."""
    parameters: tuple[Parameter, ...] = ()
    errors: Mapping[int, type[msgspec.Struct]] = field(default_factory=dict)
    not_found: Callable[[NotFound], RequestError] | None = None
    """Puts a NotFound of the services into the words of this path."""
    writes: bool = False
    may_be_empty: bool = False
    """Its handler returns None for 204 where there is nothing to answer."""
    in_parts: bool = False
    """It answers 206 with a part when `Range` asks for one."""
    media: str = JSON
    stream: str | None = None
    """The media type of the stream that it may answer instead."""
    cache: CachePolicy | None = None
    """For an answer that browsers may keep; no other answer is kept."""

    def runs_in_thread(self, call: Call) -> bool:
        return self.writes or (self.blocking if isinstance(self.blocking, bool) else self.blocking(call))

    def needed(self, method: str) -> Scope:
        """The scope that a token needs for that method."""
        return self.scope or (Scope.READ if method in ("GET", "HEAD") else Scope.WRITE)


@dataclass(frozen=True, slots=True)
class Route:
    path: str
    methods: Mapping[str, Method]
    """By name; `HEAD` is answered wherever `GET` is."""
    socket: SocketHandler | None = None
    """What a websocket at this path gets; for whom is as the `owner` of its GET says."""


def route(path: str, socket: SocketHandler | None = None, **methods: Method) -> Route:
    """One route has every method of its path, so that `Allow` is right: `route("/x", get=Method(…))`."""
    return Route(path, {name.upper(): method for name, method in methods.items()}, socket)
