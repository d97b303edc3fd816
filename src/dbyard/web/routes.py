"""The route table as data: what a path answers to each method, who may ask, and how it is documented."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import msgspec

from dbyard.errors import Invalid
from dbyard.metrics import Metrics
from dbyard.model import Principal, Scope
from dbyard.service import Service
from dbyard.web.bodies import decode, parse_query

JSON = "application/json"


@dataclass(slots=True)
class Call:
    """One request as a handler sees it: authenticated, its body read but not yet decoded."""

    service: Service
    metrics: Metrics
    principal: Principal
    path: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    query_string: bytes
    body: bytes

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


Handler = Callable[[Call], msgspec.Struct | Sequence[msgspec.Struct] | bytes | None]


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    place: str
    description: str
    schema: Mapping[str, Any]
    required: bool = False
    source: str | None = None
    """Where answers carry the value: a JSON pointer such as `/database/id`."""


class Login(StrEnum):
    """What says who is asking."""

    BEARER = "bearer"
    """`Authorization: Bearer` with an API token or a JWT."""
    PASSWORD = "password"  # noqa: S105 - a word, not a password
    """That, or `Authorization: Basic` with a username or e-mail address and a password."""
    API_TOKEN = "api_token"  # noqa: S105
    """`Authorization: Basic` with no user and an API token for a password."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Of an answer that is the same for everybody: its ETag, by which browsers ask whether theirs is still the one."""

    etag: str
    headers: Sequence[tuple[bytes, bytes]] = ()
    """What goes with it."""


@dataclass(frozen=True, slots=True)
class Verb:
    """What a path does for one method. A handler that `writes` or `waits` runs in a thread, the others on the loop."""

    handler: Handler
    summary: str
    answer: type[msgspec.Struct] | None
    many: bool = field(default=False, kw_only=True)
    """Answers a bare list of these."""
    status: int = 200
    public: bool = False
    """Answered without a token."""
    login: Login = Login.BEARER
    scope: Scope | None = None
    """What a token must be good for, where that is not read for GET and write for the others. `ADMIN` also wants an
    administrator's account."""
    limited: bool = True
    """Counts for the rate limit."""
    waits: bool = False
    body: type[msgspec.Struct] | None = None
    parameters: tuple[Parameter, ...] = ()
    refusals: Mapping[int, type[msgspec.Struct]] = field(default_factory=dict)
    writes: bool = False
    media: str = JSON
    kept: Kept | None = None
    """Of an answer that browsers may keep; nobody keeps any other."""

    def needed(self, method: str) -> Scope:
        """What a token must be good for to do this by that method."""
        return self.scope or (Scope.READ if method in ("GET", "HEAD") else Scope.WRITE)


@dataclass(frozen=True, slots=True)
class Route:
    path: str
    verbs: Mapping[str, Verb]
    """By method; `HEAD` is answered wherever `GET` is."""


def route(path: str, **verbs: Verb) -> Route:
    """One route holds every method of its path, so that `Allow` is right: `route("/x", get=Verb(…), post=Verb(…))`."""
    return Route(path, {method.upper(): verb for method, verb in verbs.items()})
