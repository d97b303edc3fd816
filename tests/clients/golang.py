"""How the Go clients of Scalingo (command line, Terraform provider, Kubernetes operator) ask, and how strict they are.

Their library is not at hand where these tests run: what it sends and takes is written down here, after its source.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.clients.decoding import ADDON, APP, DATABASE, DETAILS, REFUSALS, REGION, Shape, many, mapping, struct, text

ALGORITHMS = ("HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA", "none")
EXPIRES_EARLY = 300
"""A JWT with less than these seconds left is exchanged again."""


class Refused(Exception):
    """The server answered another status than the only one that the client takes."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status, self.body = status, body


@dataclass(frozen=True)
class Go:
    """One client of one API: where it is, and the bearer token that goes with every request."""

    base: str
    bearer: str | None = None

    def get(self, path: str, wrapper: str, shape: Shape, **query: object) -> Any:
        return _unwrap(self.request("GET", path, 200, query=query), wrapper, shape)

    def add(self, path: str, body: object, wrapper: str, shape: Shape) -> Any:
        return _unwrap(self.request("POST", path, 201, body=body), wrapper, shape)

    def post(self, path: str, body: object, wrapper: str, shape: Shape) -> Any:
        return _unwrap(self.request("POST", path, 200, body=body), wrapper, shape)

    def patch(self, path: str, body: object, wrapper: str, shape: Shape) -> Any:
        return _unwrap(self.request("PATCH", path, 200, body=body), wrapper, shape)

    def put(self, path: str, body: object, wrapper: str, shape: Shape) -> Any:
        return _unwrap(self.request("PUT", path, 200, body=body), wrapper, shape)

    def delete(self, path: str, **query: object) -> None:
        assert self.request("DELETE", path, 204, query=query) is None

    def dump(self, url: str, lines: int) -> str:
        """A log by its link: the token and the time of the link, and no other."""
        place = urlsplit(url)
        token = dict(parse_qsl(place.query)).get("token", "")
        query = urlencode({"token": token, "timestamp": "", "n": lines, "filter": ""})
        status, answer = _send("GET", f"{place.scheme}://{place.netloc}{place.path}?{query}", None, self._headers(None))
        assert status in (200, 204), answer
        return answer.decode()

    def request(
        self,
        method: str,
        path: str,
        expected: int,
        *,
        body: object = None,
        query: Mapping[str, object] | None = None,
        basic: tuple[str, str] | None = None,
    ) -> Any:
        """The decoded body. GET and DELETE always have a `?`, all others a body: `{}` when there is nothing to say."""
        content = None
        if method in ("GET", "DELETE"):
            path = f"{path}?{urlencode(query or {})}"
        else:
            content = json.dumps({} if body is None else body, separators=(",", ":")).encode()
        status, answer = _send(method, self.base + path, content, self._headers(basic))
        if status != expected:
            raise Refused(status, _refusal(status, answer))
        return json.loads(answer) if answer else None

    def _headers(self, basic: tuple[str, str] | None) -> dict[str, str]:
        headers = {"User-Agent": "Scalingo Go Client", "Accept": "application/json", "Content-Type": "application/json"}
        if self.bearer is not None:
            headers["Authorization"] = f"Bearer {self.bearer}"
        elif basic is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(basic).encode()).decode()
        return headers | {"Accept-Encoding": "gzip"}


@dataclass(frozen=True)
class Session:
    """A client that has an API token: it knows the region's two APIs, and searches as the library does."""

    auth: Go
    api: Go
    database_api: str

    def search(self, database_id: str) -> dict[str, Any] | None:
        """The database of that id among all databases, each asked for its app, its addon and its details."""
        return next((each for each in self.list_databases() if each["id"] == database_id), None)

    def list_databases(self) -> list[dict[str, Any]]:
        found = self.api.get("/databases", "databases", many(DATABASE))
        for each in found:
            addons = self.list_addons(each["name"])
            each["app"] = self.show_app(each["name"])
            each["database"] = self.describe(each["name"], addons[0]["id"])
        return list(found)

    def list_addons(self, app: str) -> list[dict[str, Any]]:
        addons: list[dict[str, Any]] = self.api.get(f"/apps/{app}/addons", "addons", many(ADDON))
        return addons

    def show_app(self, app: str) -> dict[str, Any]:
        body = self.api.request("GET", f"/apps/{app}", 200)
        mapping(APP)(body, "apps")  # decoded as a map of apps: nothing else may stand beside it
        assert set(body) == {"app"}
        shown: dict[str, Any] = body["app"]
        return shown

    def databases(self, app: str, addon: str) -> Go:
        """The Database API as the addon's own token opens it; asked for anew each time, as the library does."""
        opened = self.api.post(f"/apps/{app}/addons/{addon}/token", None, "addon", struct({"token": text}))
        return Go(self.database_api + "/api", opened["token"])

    def describe(self, app: str, addon: str) -> dict[str, Any]:
        details: dict[str, Any] = self.databases(app, addon).get(f"/databases/{addon}", "database", DETAILS)
        return details


def log_in(auth_url: str, token: str, region: str | None = None) -> Session:
    """Exchange the API token, then ask for the regions and take the two other APIs' places from there."""
    auth = Go(auth_url + "/v1", exchange(auth_url, token))
    regions = auth.get("/regions", "regions", many(REGION))
    chosen = next(each for each in regions if (each["name"] == region if region else each["default"]))
    # What stands before a refused request's answer is cut at the dots of the host.
    assert "." in str(urlsplit(chosen["api"]).hostname)
    return Session(auth, Go(chosen["api"] + "/v1", exchange(auth_url, token)), chosen["database_api"])


def exchange(auth_url: str, token: str) -> str:
    """A bearer token for an API token. It is read, not only handed on: without a numeric `exp` the library panics."""
    answer = Go(auth_url + "/v1").request("POST", "/tokens/exchange", 200, basic=("", token))
    bearer = answer["token"]
    header, claims, _signature = bearer.split(".")
    assert _decode(header)["alg"] in ALGORITHMS
    assert _decode(claims)["exp"] - time.time() > EXPIRES_EARLY
    return str(bearer)


def _decode(part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def _send(method: str, url: str, content: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """By hand, so that the `?` without a query stays where it is."""
    place = urlsplit(url)
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)) as connection:
        connection.putrequest(method, url.partition(place.netloc)[2], skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if content is not None:
            connection.putheader("Content-Length", str(len(content)))
        connection.endheaders(content)
        response = connection.getresponse()
        return response.status, response.read()


def _refusal(status: int, answer: bytes) -> Any:
    """A refusal's body, which must be JSON of the shape that belongs to its status."""
    if status not in REFUSALS:
        return answer
    body = json.loads(answer)
    REFUSALS[status](body, str(status))
    return body


def _unwrap(body: Any, wrapper: str, shape: Shape) -> Any:
    struct({wrapper: shape})(body, "answer")
    return body[wrapper]
