"""What nobody should send, in every field, path and query of every route: refused, and nothing is changed."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from dbyard import catalogue
from dbyard.service import Service
from dbyard.web.app import list_routes
from dbyard.web.routes import Method
from tests.builders import seed_body

METHODS = [
    (name, route.path, method) for route in list_routes(catalogue.load()) for name, method in route.methods.items()
]
WITH_BODY = [(name, path, method) for name, path, method in METHODS if method.body]
WITH_NAMES = [(name, path) for name, path, _ in METHODS if "{" in path]
MOST = 16 * 1024
"""No refusal is longer, whatever was sent."""

TEXTS = {
    "nul": "my\0database",
    "control": "my-database\r\nX-Injected: yes",
    "cyrillic": "my-dаtabase",
    "combined": "my-databasé",
    "right to left": "my-\u202edatabase",
    "invisible": "my-data\u200bbase",
    "emoji": "\U0001f4a5" * 8,
    "fullwidth": "ｍｙ－ｄａｔａｂａｓｅ",
    "digits of others": "my-database-٣",
    "dots": "../../../etc/passwd",
    "sql": "x'; DROP TABLE database; --",
    "template": "${jndi:ldap://127.0.0.1/a}{{7*7}}%s%n",
    "long": "x" * 1_000_000,
    "long and wide": "\U0001f4a5" * 80_000,
}
SEGMENTS = [
    "%00", "my-db%00", "%2e%2e", "%2E", "%2F", "..%2F..%2Fetc%2Fpasswd", "my-postgres-db%2Fconnection", "%5C..",
    "%0d%0aX-Injected:%20yes", "%ff%fe", "%E0%80%AF", "%F0%9F%92%A5", "my-postgres-db%20", "%20", "ad-", "ad-%00",
    "%25%32%46", "*", "%27%20OR%201=1", "x" * 8000,
]  # fmt: skip


@pytest.fixture
def database(api: TestClient) -> str:
    """The id of a database that should be as it was, whatever is asked."""
    return str(api.post("/v1/databases", json=seed_body()).json()["database"]["id"])


def assert_refused(answer: Any) -> None:
    assert 400 <= answer.status_code < 500, answer.text[:500]
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json()) & {"error", "errors"}
    assert len(answer.content) < MOST
    assert "x-injected" not in answer.headers


def fill(method: Method, value: object) -> dict[str, object]:
    """A body of the method with the value in every field."""
    fields = msgspec.structs.fields(method.body) if method.body else ()
    return {field.encode_name: _fill(field.type, value) for field in fields}


def _fill(kind: Any, value: object) -> object:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return {field.encode_name: value for field in msgspec.structs.fields(kind)}
    return value


def state(api: TestClient, service: Service) -> list[Any]:
    with service.store.read() as connection:
        counts = [
            connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608
            for name in ("account", "project", "token", "database", "operation", "database_collaborator", "event")
        ]
    return [*counts, api.get("/v1/databases").content, api.get("/v1/projects").content]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_texts_in_bodies(api: TestClient, service: Service, database: str, text: str) -> None:
    before = state(api, service)
    for name, path, method in WITH_BODY:
        assert_refused(api.request(name, _named(path, database), json=fill(method, text)))
        assert_refused(api.request(name, _named(path, database), json={text: text, **fill(method, text)}))
    assert state(api, service) == before


@pytest.mark.parametrize(
    "value",
    [[], {}, {"a": 1}, True, 0, -1, 1e308, 10**400, [[[]]], ["my-database"]],
    ids=["list", "object", "full object", "true", "zero", "minus", "large", "huge", "nested", "list of text"],
)
def test_other_types_in_bodies(api: TestClient, service: Service, database: str, value: object) -> None:
    before = state(api, service)
    for name, path, method in WITH_BODY:
        assert_refused(api.request(name, _named(path, database), json=fill(method, value)))
    assert state(api, service) == before


@pytest.mark.parametrize("depth", [200, 900, 100_000])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"a":', "}")])
def test_depth(api: TestClient, database: str, depth: int, left: str, right: str) -> None:
    deep = left * depth + "0" + right * depth
    for name, path, method in WITH_BODY:
        body = json.dumps(fill(method, "DEEP")).replace('"DEEP"', deep)
        assert_refused(api.request(name, _named(path, database), content=body.encode()))


def test_text_that_is_no_text(api: TestClient, database: str) -> None:
    for name, path, method in WITH_BODY:
        body = json.dumps(fill(method, "TEXT")).encode()
        for wrong in (rb'"\ud800"', b'"\xff\xfe"', b'"\xc0\x80"', b'"\x00"', rb'"\u00"', b"NaN", b"-Infinity"):
            answer = api.request(name, _named(path, database), content=body.replace(b'"TEXT"', wrong))
            assert_refused(answer)
            assert answer.status_code == 400


@pytest.mark.parametrize(("name", "path"), WITH_NAMES)
def test_names_in_paths(api: TestClient, service: Service, database: str, name: str, path: str) -> None:
    before = state(api, service)
    for segment in SEGMENTS:
        place = "/".join(segment if each.startswith("{") else each for each in path.split("/"))
        answer = api.request(name, place, params={"confirm": "my-postgres-db", "current_name": "my-postgres-db"})
        assert_refused(answer)
        assert answer.status_code == 404
    assert state(api, service) == before


def test_an_encoded_slash_is_none(api: TestClient, database: str) -> None:
    """No id has one: what is meant as one name does not become another path."""
    for path in ("/v1/databases/my-postgres-db%2Foperations", "/v1%2fdatabases", "/v1/apps/my-postgres-db%2faddons"):
        assert api.get(path).status_code == 404
        assert api.get(path.replace("%2F", "/").replace("%2f", "/")).status_code == 200


@pytest.mark.parametrize(
    "query", ["%00", "%ff", "a%00b", "%0d%0a", "x" * 10_000, "..%2F..", "%F0%9F%92%A5", "1e3", "%2B1"]
)
def test_queries(api: TestClient, service: Service, database: str, query: str) -> None:
    before = state(api, service)
    for name, path, method in METHODS:
        queries = [each.name for each in method.parameters if each.place == "query" and set(each.schema) > {"type"}]
        for query_name in queries:
            place = _named(path, database)
            assert_refused(api.request(name, f"{place}?{query_name}={query}"))
            assert_refused(api.request(name, f"{place}?{query_name}={query}&{query_name}=1&{'a=b&' * 500}"))
    assert state(api, service) == before


def _named(path: str, database: str) -> str:
    """The path with names of what is there, as far as they decide whether a body is looked at."""
    given = {"app": database, "database": database, "addon": f"ad-{database}", "account": "admin"}
    for name, value in given.items():
        path = path.replace(f"{{{name}}}", value)
    return path.replace("{project}", "pr-82a3cac5-9b25-473e-b33d-6272b87e636f")
