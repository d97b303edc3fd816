"""Errors are JSON of one shape, in one order of precedence, whatever is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from dbyard.service import Service
from dbyard.store import Store
from dbyard.web.app import list_routes
from tests.builders import seed_body
from tests.conftest import World

PUBLIC = [
    "/healthz",
    "/openapi.json",
    "/v1/addon_categories",
    "/api/database_types",
    "/api/database_types/redis",
    "/api/ca_certificate",
    "/v1/addon_providers",
    "/v1/addon_providers/redis/plans",
]
BROKEN = "There was a problem in the JSON you submitted: "
BODY = json.dumps(seed_body()).encode()


def post(api: TestClient, body: bytes, **headers: str) -> tuple[int, str]:
    answer = api.post("/v1/databases", content=body, headers=headers)
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    return answer.status_code, answer.json()["error"]


class TestUnauthorized:
    @pytest.mark.parametrize(
        "header", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic dXNlcjpwYXNz", "Bearer tk-us-é", "wrong"]
    )
    def test_comes_before_everything_else(self, anonymous: TestClient, header: str | None) -> None:
        headers = {} if header is None else {"Authorization": header.encode("latin-1")}
        for method, path in [
            ("GET", "/v1/databases"),
            ("POST", "/v1/databases"),
            ("PUT", "/v1/databases"),
            ("GET", "/v1/databases/nothing-here"),
            ("GET", "/nowhere"),
            ("GET", "/metrics"),
        ]:
            answer = anonymous.request(method, path, headers=headers)  # type: ignore[arg-type]
            assert answer.status_code == 401, path
            assert list(answer.json()) == ["error"]
            assert answer.headers["www-authenticate"].startswith("Bearer")

    def test_a_wrong_token_is_told_from_none(self, anonymous: TestClient) -> None:
        answer = anonymous.get("/v1/databases", headers={"Authorization": "Bearer wrong"})
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
    def test_the_scheme_has_no_case(self, anonymous: TestClient, token: str, scheme: str) -> None:
        answer = anonymous.get("/v1/databases", headers={"Authorization": f"{scheme} {token}"})
        assert answer.status_code == 200

    @pytest.mark.parametrize("path", PUBLIC)
    def test_what_is_public_needs_no_token(self, anonymous: TestClient, path: str) -> None:
        assert anonymous.get(path).status_code == 200
        assert anonymous.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 200
        assert anonymous.post(path).status_code == 405


class TestNotFoundAndMethods:
    @pytest.mark.parametrize("path", ["/v1", "/nowhere", "/v1/databases/", "/v1/databases/a/b/c", "/v1/Databases"])
    def test_unknown_paths(self, api: TestClient, path: str) -> None:
        answer = api.get(path, follow_redirects=False)
        assert answer.status_code == 404
        assert list(answer.json()) == ["error"]
        assert answer.json()["error"].startswith("Not found: ")

    @pytest.mark.parametrize(
        ("path", "allow"),
        [
            ("/v1/databases", "GET, HEAD, POST"),
            ("/v1/projects/x/collaborators", "GET, HEAD, POST"),
            ("/v1/tokens", "GET, HEAD, POST"),
            ("/v1/tokens/x", "DELETE"),
            ("/healthz", "GET, HEAD"),
        ],
    )
    def test_wrong_methods_are_told_the_right_ones(self, api: TestClient, path: str, allow: str) -> None:
        for method in ("PATCH", "OPTIONS", "FROB"):
            answer = api.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, allow)
            assert answer.json() == {"error": f"Method not allowed: this path takes {allow}"}


class TestBodies:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "it is empty"),
            (b"  \n", "it is empty"),
            (b"{", "Expecting property name"),
            (b'{"database":', "Expecting value"),
            (BODY + b"x", "Extra data"),
            (b'{"name": "a", "name": "b"}', 'the key "name" is there twice'),
            (b'{"database": {"plan": 1, "plan": 2}}', 'the key "plan" is there twice'),
            (b'{"name": NaN}', "NaN is no JSON value"),
            (b'{"name": -Infinity}', "-Infinity is no JSON value"),
            (b"[1]", "it should be an object"),
            (b'"text"', "it should be an object"),
            (b"null", "it should be an object"),
            (b'{"name": "\xff"}', "it is not valid UTF-8"),
            (b'{"name": "\xed\xa0\x80"}', "it is not valid UTF-8"),
            (b'{"name": "\\ud800"}', "it is not valid UTF-8"),
            (b"[" * 100_000, "it is nested too deeply"),
            (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "it is nested too deeply"),
            (b'{"name": ' + b"9" * 10_000 + b"}", ""),
        ],
        ids=lambda value: str(value[:24]),
    )
    def test_broken_json(self, api: TestClient, body: bytes, reason: str) -> None:
        status, error = post(api, body)
        assert status == 400
        assert error.startswith(BROKEN + reason)

    @pytest.mark.parametrize(
        "content_type",
        ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1", "json", ""],
    )
    def test_other_content_types(self, api: TestClient, content_type: str) -> None:
        status, error = post(api, BODY, **{"Content-Type": content_type})
        assert status == 415
        assert "application/json" in error

    def test_the_type_of_an_empty_body_is_nobodys_concern(self, api: TestClient) -> None:
        # axios sends it with every POST and PATCH that has no body.
        status, error = post(api, b"", **{"Content-Type": "application/x-www-form-urlencoded"})
        assert (status, error) == (400, BROKEN + "it is empty")

    def test_compressed(self, api: TestClient) -> None:
        assert post(api, BODY, **{"Content-Encoding": "gzip"})[0] == 415

    def test_the_largest_body(self, api: TestClient) -> None:
        padding = b" " * (1024 * 1024 - len(BODY))
        assert api.post("/v1/databases", content=BODY + padding).status_code == 201

    def test_too_large_by_its_header(self, api: TestClient) -> None:
        assert post(api, b" " * (1024 * 1024 + 1))[0] == 413

    def test_too_large_in_chunks(self, api: TestClient) -> None:
        def chunks() -> Iterator[bytes]:
            for _ in range(17):
                yield b" " * 65536

        answer = api.post("/v1/databases", content=chunks())
        assert answer.status_code == 413
        assert "content-length" not in answer.request.headers


class TestInternalErrors:
    def test_tell_the_client_nothing(self, api: TestClient, store: Store, caplog: pytest.LogCaptureFixture) -> None:
        with store.tx() as connection:
            connection.execute("ALTER TABLE project RENAME TO lost")
        answer = api.get("/v1/databases", headers={"X-Request-Id": "find-me-again"})
        assert (answer.status_code, answer.json()) == (500, {"error": "Internal error occured, we're on it!"})
        assert answer.headers["x-request-id"] == "find-me-again"
        assert "find-me-again" in caplog.text
        assert "Traceback" in caplog.text

    def test_a_disk_that_refuses_is_no_internal_error(self, api: TestClient, store: Store) -> None:
        with store.tx() as connection:
            connection.execute("PRAGMA query_only = ON")
        answer = api.post("/v1/databases", json=seed_body())
        assert answer.status_code == 503
        assert "cannot write" in answer.json()["error"]

    def test_a_disk_without_room_refuses_creates_and_nothing_else(self, api: TestClient, world: World) -> None:
        world.room = False
        answer = api.post("/v1/databases", json=seed_body())
        assert answer.status_code == 503
        assert "no room" in answer.json()["error"]
        assert api.get("/v1/databases").json() == {"databases": []}
        assert api.post("/v1/databases", json={}).status_code == 422


class TestHeaders:
    def test_every_answer_has_a_request_id_of_its_own(self, api: TestClient, service: Service) -> None:
        paths = [re.sub("{[a-z_]+}", "redis", route.path) for route in list_routes(service.catalogue)]
        found = [api.get(path).headers["x-request-id"] for path in [*paths, "/nowhere"]]
        assert len(set(found)) == len(found)

    def test_no_answer_may_be_kept_on_the_way(self, api: TestClient) -> None:
        for path in ("/v1/databases", "/v1/databases/x", "/metrics", "/nowhere"):
            assert api.get(path).headers["cache-control"] == "no-store"

    @pytest.mark.parametrize("sent", ["a b", "x" * 129, "<script>", ""])
    def test_a_strange_request_id_is_not_echoed(self, api: TestClient, sent: str) -> None:
        assert api.get("/healthz", headers={"X-Request-Id": sent}).headers["x-request-id"] != sent
