"""The auth service in process: JWTs, what ends them, scopes, wrong tokens, the rate limit."""

from __future__ import annotations

import asyncio
import base64
import json
import string
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NoReturn

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Message

from dbyard import catalogue
from dbyard.errors import Unauthorized
from dbyard.metrics import Metrics
from dbyard.secrets import Box
from dbyard.service import Service
from dbyard.service.accounts import authentication
from dbyard.web.app import THREADS, create_app, list_routes
from tests.builders import open_account, seed_body
from tests.conftest import Clock

DATABASE_API = [
    (name, route.path)
    for route in list_routes(catalogue.load())
    for name, method in route.methods.items()
    if route.path.startswith("/api/")
    and not method.public
    and ("{database}" in route.path or "{operation}" in route.path)
]
PASSWORD = "correct horse battery"


class Names(dict[str, str]):
    """Path parameters; what is not there is called `x`."""

    def __missing__(self, name: str) -> str:
        return "x"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def basic(token: str, user: str = "") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()}


def exchange(api: TestClient, token: str) -> str:
    answer = api.post("/v1/tokens/exchange", headers=basic(token), json={})
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["token"]
    made: str = answer.json()["token"]
    return made


def ask(api: TestClient, token: str, path: str = "/v1/databases") -> int:
    return api.get(path, headers=bearer(token)).status_code


async def ask_in_process(app: ASGIApp, tokens: Iterable[str]) -> set[int]:
    """The statuses of a request for each token, without a client's own time."""
    statuses = set()

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        statuses.add(message.get("status", 0))

    for token in tokens:
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/v1/databases",
            "query_string": b"",
            "headers": [(b"authorization", f"Bearer {token}".encode())],
            "client": ("198.51.100.7", 1),
        }
        await app(scope, receive, send)
    return statuses - {0}


def make(api: TestClient, token: str, **fields: object) -> dict[str, Any]:
    answer = api.post("/v1/tokens", headers=bearer(token), json={"token": {"name": "made", **fields}})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()["token"]
    return made


def rejected(metrics: Metrics) -> float:
    return next(
        float(line.split()[1])
        for line in metrics.render({}, {}).decode().splitlines()
        if line.startswith("dbyard_rejected_tokens_total ")
    )


class TestExchange:
    @pytest.mark.parametrize("body", [b"{}", b"", b"not json"])
    def test_gives_a_jwt_whatever_the_body(self, anonymous: TestClient, token: str, body: bytes) -> None:
        answer = anonymous.post("/v1/tokens/exchange", headers=basic(token), content=body)
        assert answer.status_code == 200
        assert ask(anonymous, answer.json()["token"]) == 200

    def test_the_jwt_says_when_it_ends(self, anonymous: TestClient, token: str, clock: Clock) -> None:
        made = exchange(anonymous, token)
        assert jwt.get_unverified_header(made) == {"alg": "HS256", "typ": "JWT"}
        claims = jwt.decode(made, options={"verify_signature": False})
        assert claims["exp"] == int(clock()) + 3600
        assert type(claims["exp"]) is int
        assert claims["sub"].startswith("us-")

    @pytest.mark.parametrize("user", ["admin", "admin@localhost"])
    def test_wants_no_user(self, anonymous: TestClient, token: str, user: str) -> None:
        assert anonymous.post("/v1/tokens/exchange", headers=basic(token, user)).status_code == 401

    @pytest.mark.parametrize(
        "header",
        [
            "Basic",
            "Basic !",
            "Basic Og==",
            "Basic OndyaQ",
            "Basic " + base64.b64encode(b":\xff").decode(),
            "Basic Ondyb25n",
        ],
    )
    def test_wrong_credentials(self, anonymous: TestClient, header: str) -> None:
        answer = anonymous.post("/v1/tokens/exchange", headers={"Authorization": header}, json={})
        assert (answer.status_code, list(answer.json())) == (401, ["error"])
        assert answer.headers["www-authenticate"].startswith("Basic ")

    def test_a_jwt_cannot_make_itself_younger(self, anonymous: TestClient, token: str) -> None:
        made = exchange(anonymous, token)
        assert anonymous.post("/v1/tokens/exchange", headers=basic(made)).status_code == 401
        assert anonymous.post("/v1/tokens/exchange", headers=bearer(made)).status_code == 401

    def test_a_jwt_is_the_account(self, anonymous: TestClient, token: str) -> None:
        made = exchange(anonymous, token)
        user = anonymous.get("/v1/users/self", headers=bearer(made)).json()["user"]
        assert (user["username"], user["email"], user["flags"]) == ("admin", "admin@localhost", {})
        assert user["id"] == f"us-{user['uuid']}"
        assert anonymous.post("/v1/databases", headers=bearer(made), json=seed_body()).status_code == 201
        assert len(anonymous.get("/v1/databases", headers=bearer(token)).json()["databases"]) == 1


class TestPassword:
    @pytest.fixture
    def ann(self, api: TestClient) -> str:
        made = {"username": "ann", "email": "ann@example.org", "password": PASSWORD}
        assert api.post("/v1/users", json={"user": made}).status_code == 201
        return "ann"

    @pytest.mark.parametrize("body", [{"token": {"name": "laptop"}}, {"name": "laptop"}])
    def test_makes_a_token(self, anonymous: TestClient, ann: str, body: object) -> None:
        answer = anonymous.post("/v1/tokens", headers=basic(PASSWORD, ann), json=body)
        assert answer.status_code == 201
        user = anonymous.get("/v1/users/self", headers=bearer(answer.json()["token"]["token"])).json()["user"]
        assert user["username"] == ann
        assert anonymous.post("/v1/tokens", headers=basic(PASSWORD, "ann@example.org"), json=body).status_code == 201

    def test_is_good_for_nothing_else(self, anonymous: TestClient, ann: str) -> None:
        for method, path in [
            ("GET", "/v1/tokens"),
            ("GET", "/v1/databases"),
            ("GET", "/v1/users/self"),
            ("DELETE", "/v1/tokens/x"),
            ("POST", "/v1/tokens/exchange"),
        ]:
            assert anonymous.request(method, path, headers=basic(PASSWORD, ann)).status_code == 401, path

    def test_a_wrong_one(self, anonymous: TestClient, ann: str) -> None:
        for user, password in [(ann, "wrong"), ("bob", PASSWORD), (ann, ""), ("", PASSWORD), (ann, "x" * 5000)]:
            answer = anonymous.post("/v1/tokens", headers=basic(password, user), json={"name": "x"})
            assert (answer.status_code, list(answer.json())) == (401, ["error"])
            assert "Basic " in answer.headers["www-authenticate"]
            assert "Bearer " in answer.headers["www-authenticate"]

    def test_many_at_once_hold_up_no_token(
        self, anonymous: TestClient, token: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        checked = threading.Event()

        def check(*_: object) -> NoReturn:
            checked.wait(30)
            raise Unauthorized("wrong")

        monkeypatch.setattr(authentication, "authenticate_password", check)
        with ThreadPoolExecutor(2 * THREADS) as threads:
            ask = partial(anonymous.post, "/v1/tokens", headers=basic("wrong", "ann"), json={"name": "x"})
            logins = [threads.submit(ask) for _ in range(2 * THREADS)]
            made = anonymous.post("/v1/databases", headers=bearer(token), json=seed_body())
            assert not any(each.done() for each in logins)
            checked.set()
        assert made.status_code == 201
        assert {each.result().status_code for each in logins} == {401}

    def test_counts_for_the_address_before_it_is_checked(self, service: Service, api: TestClient, ann: str) -> None:
        with TestClient(create_app(service, Metrics(), rate_limit=4)) as limited:
            found = [
                limited.post("/v1/tokens", headers=basic("wrong", ann), json={"name": "x"}).status_code
                for _ in range(4)
            ]
        assert found == [401, 401, 429, 429]


class TestEndOfJwt:
    def test_after_an_hour_even_when_it_was_just_used(self, anonymous: TestClient, token: str, clock: Clock) -> None:
        made = exchange(anonymous, token)
        clock.advance(3599)
        assert ask(anonymous, made) == 200
        clock.advance(1)
        assert ask(anonymous, made) == 401
        assert ask(anonymous, exchange(anonymous, token)) == 200

    def test_with_its_api_token(self, api: TestClient, token: str) -> None:
        short = make(api, token)
        made = exchange(api, short["token"])
        assert ask(api, made) == 200
        assert api.delete(f"/v1/tokens/{short['id']}").status_code == 204
        assert ask(api, made) == 401
        assert api.post("/v1/tokens/exchange", headers=basic(short["token"])).status_code == 401

    def test_with_the_value_of_its_api_token(self, api: TestClient, token: str) -> None:
        old = make(api, token)
        made = exchange(api, old["token"])
        assert ask(api, made) == 200
        renewed = api.patch(f"/v1/tokens/{old['id']}/renew").json()["token"]
        assert ask(api, made) == 401
        assert ask(api, exchange(api, renewed["token"])) == 200

    def test_before_its_hour_when_its_api_token_ends_first(
        self, anonymous: TestClient, token: str, clock: Clock
    ) -> None:
        short = make(anonymous, token, expires_in=60)
        made = exchange(anonymous, short["token"])
        claims = jwt.decode(made, options={"verify_signature": False})
        assert claims["exp"] == int(clock()) + 60
        clock.advance(60)
        assert ask(anonymous, made) == 401
        assert ask(anonymous, short["token"]) == 401


class TestForgedJwt:
    @pytest.fixture
    def made(self, anonymous: TestClient, token: str) -> str:
        return exchange(anonymous, token)

    @pytest.fixture
    def claims(self, made: str) -> dict[str, Any]:
        found: dict[str, Any] = jwt.decode(made, options={"verify_signature": False})
        return found

    def test_every_part_counts(self, anonymous: TestClient, made: str) -> None:
        head, body, signature = made.split(".")
        other = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).rstrip(b"=").decode()
        for forged in (
            f"{head}.{body}.", f"{head}.{body}.AAAA", f"{other}.{body}.", f"{other}.{body}.{signature}",
            f"{head}.{body[:-4]}.{signature}", f"{body}.{head}.{signature}", f"{head}..{signature}", "..", "a.b.c",
            f"{head}.{body}.{signature[:-1]}", f"{made}.", f".{made}", f"{head}.{body}.{signature[::-1]}",
        ):  # fmt: skip
            assert ask(anonymous, forged) == 401, forged

    def test_has_one_text_only(self, anonymous: TestClient, made: str) -> None:
        """Padding, or spare bits of the last character, would make texts that mean the same."""
        head, body, signature = made.split(".")
        letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
        spare = signature[:-1] + letters[letters.index(signature[-1]) ^ 1]
        for part in (head, body, signature):
            for padding in ("=", "==", "===", "%3D"):
                assert ask(anonymous, made.replace(part, part + padding)) == 401, padding
        assert ask(anonymous, f"{head}.{body}.{spare}") == 401
        assert ask(anonymous, made) == 200

    @pytest.mark.parametrize("size", [1, 10, 40, 100, 150])
    def test_truncated(self, anonymous: TestClient, made: str, size: int) -> None:
        assert ask(anonymous, made[:size]) == 401
        assert ask(anonymous, made[size:]) == 401

    def test_none(self, anonymous: TestClient, claims: dict[str, Any]) -> None:
        forged = jwt.encode(claims, "", algorithm="none")
        for text in (forged, forged.rstrip(".") + ".x"):
            assert ask(anonymous, text) == 401

    def test_another_key(self, anonymous: TestClient, claims: dict[str, Any]) -> None:
        for key in ("x" * 64, bytes(32), Box(b"k" * 32)._signing):
            assert ask(anonymous, jwt.encode(claims, key, algorithm="HS256")) == 401

    @pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
    @pytest.mark.filterwarnings("ignore:The HMAC key")
    def test_the_right_key_under_another_algorithm(
        self, anonymous: TestClient, service: Service, claims: dict[str, Any], algorithm: str
    ) -> None:
        right = service.box._signing
        assert ask(anonymous, jwt.encode(claims, right, algorithm="HS256")) == 200
        assert ask(anonymous, jwt.encode(claims, right, algorithm=algorithm)) == 401

    def test_an_asymmetric_algorithm(self, anonymous: TestClient, claims: dict[str, Any]) -> None:
        key = rsa.generate_private_key(65537, 2048)
        assert ask(anonymous, jwt.encode(claims, key, algorithm="RS256")) == 401

    @pytest.mark.parametrize(
        "changes",
        [
            {"aud": "other"}, {"aud": None}, {"aud": ["user", "database"]}, {"aud": "database"}, {"db": "d1"},
            {"db": 5}, {"exp": "later"}, {"exp": None}, {"exp": 0}, {"tid": "nothing"}, {"tid": None}, {"ver": ""},
            {"ver": "0" * 16},
        ],
    )  # fmt: skip
    def test_our_own_signature_under_other_claims(
        self, anonymous: TestClient, service: Service, claims: dict[str, Any], changes: dict[str, object]
    ) -> None:
        said = {name: value for name, value in (claims | changes).items() if value is not None}
        assert ask(anonymous, jwt.encode(said, service.box._signing, algorithm="HS256")) == 401


class TestAddonToken:
    @pytest.fixture
    def databases(self, api: TestClient) -> list[str]:
        names = ("my-first-db", "my-second-db")
        return [api.post("/v1/databases", json=seed_body(name)).json()["database"]["id"] for name in names]

    def test_opens_one_database_to_the_database_api_alone(
        self, api: TestClient, service: Service, token: str, databases: list[str], clock: Clock
    ) -> None:
        first, second = databases
        made = authentication.sign_database_token(service, authentication.authenticate(service, token), first)
        for name in (first, f"ad-{first}", "my-first-db"):
            assert ask(api, made, f"/api/databases/{name}") == 200
        for name in (second, f"ad-{second}", "my-second-db", "nothing"):
            assert ask(api, made, f"/api/databases/{name}") == 404
        for path in ("/v1/databases", f"/v1/databases/{first}/connection", "/v1/users/self", "/metrics"):
            assert ask(api, made, path) == 403
        assert api.post("/v1/tokens", headers=bearer(made), json={"name": "more"}).status_code == 403
        assert api.post("/v1/tokens/exchange", headers=basic(made)).status_code == 401
        clock.advance(3600)
        assert ask(api, made, f"/api/databases/{first}") == 401

    @pytest.mark.parametrize(("method", "path"), DATABASE_API)
    def test_no_route_of_the_database_api_shows_another_database(
        self, api: TestClient, service: Service, token: str, databases: list[str], method: str, path: str
    ) -> None:
        principal = authentication.authenticate(service, token)
        own, other = (authentication.sign_database_token(service, principal, each) for each in databases)
        operation = api.get(f"/v1/databases/{databases[0]}/operations").json()["operations"][0]["id"]
        asked = path.format_map(Names(database=databases[0], operation=operation))
        assert api.request(method, asked, headers=bearer(other), json={}).status_code == 404
        if method == "GET":
            assert api.get(asked, headers=bearer(own)).status_code in (200, 404, 409)

    def test_ends_with_its_database(self, api: TestClient, service: Service, token: str, databases: list[str]) -> None:
        made = authentication.sign_database_token(service, authentication.authenticate(service, token), databases[0])
        assert api.delete(f"/v1/databases/{databases[0]}?confirm=my-first-db").status_code == 204
        assert ask(api, made, f"/api/databases/{databases[0]}") == 404


class TestScopes:
    def test_read_reads(self, api: TestClient, token: str) -> None:
        api.post("/v1/databases", json=seed_body())
        reader = bearer(make(api, token, scope="read")["token"])
        database = "/v1/databases/my-postgres-db"
        assert api.get(database, headers=reader).status_code == 200
        assert api.head(database, headers=reader).status_code == 200
        for method, path in [
            ("POST", "/v1/databases"),
            ("DELETE", f"{database}?confirm=my-postgres-db"),
            ("POST", "/v1/tokens"),
            ("DELETE", "/v1/tokens/x"),
        ]:
            answer = api.request(method, path, headers=reader)
            assert (answer.status_code, list(answer.json())) == (403, ["error"])
        assert api.get("/metrics", headers=reader).status_code == 403
        assert api.get(database).status_code == 200

    def test_a_jwt_has_the_scope_of_its_token(self, api: TestClient, token: str) -> None:
        reader = exchange(api, make(api, token, scope="read")["token"])
        assert ask(api, reader) == 200
        assert api.post("/v1/databases", headers=bearer(reader), json=seed_body()).status_code == 403

    def test_only_an_administrators_admin_token_sees_the_metrics(
        self, api: TestClient, service: Service, token: str
    ) -> None:
        assert ask(api, token, "/metrics") == 200
        assert ask(api, make(api, token, scope="write")["token"], "/metrics") == 403
        project = make(api, token, project_id=authentication.FIRST_PROJECT)
        assert ask(api, project["token"], "/metrics") == 403
        assert ask(api, open_account(service, "other"), "/metrics") == 403

    def test_none_makes_one_that_may_do_more(self, api: TestClient, service: Service, token: str, clock: Clock) -> None:
        less = make(api, token, scope="write", project_id=authentication.FIRST_PROJECT, expires_in=600)
        wanted = {"name": "more", "scope": "admin", "project_id": "pr-other", "expires_in": 601}
        answer = api.post("/v1/tokens", headers=bearer(less["token"]), json={"token": wanted})
        assert answer.status_code == 422
        assert set(answer.json()["errors"]) == {"scope", "project_id", "expires_in"}
        clock.advance(10)
        same = make(api, exchange(api, less["token"]))
        assert {name: same[name] for name in ("scope", "project_id", "expires_at")} == {
            name: less[name] for name in ("scope", "project_id", "expires_at")
        }

    @pytest.mark.parametrize("project_id", ["", "pr-nothing", "pr-other"])
    def test_of_anothers_project_or_none(self, api: TestClient, service: Service, project_id: str) -> None:
        open_account(service, "other")
        answer = api.post("/v1/tokens", json={"name": "made", "project_id": project_id})
        assert (answer.status_code, answer.json()) == (404, {"error": "Project not found"})

    def test_none_changes_one_that_may_do_more(self, api: TestClient, token: str) -> None:
        (first,) = api.get("/v1/tokens").json()["tokens"]
        writer = make(api, token, scope="write")
        for method, path in [("DELETE", f"/v1/tokens/{first['id']}"), ("PATCH", f"/v1/tokens/{first['id']}/renew")]:
            assert api.request(method, path, headers=bearer(writer["token"])).status_code == 403
        assert ask(api, token) == 200
        assert api.delete(f"/v1/tokens/{writer['id']}", headers=bearer(writer["token"])).status_code == 204

    def test_a_token_of_a_project_sees_those_of_its_project(self, api: TestClient, token: str) -> None:
        (first,) = api.get("/v1/tokens").json()["tokens"]
        bound = make(api, token, project_id=authentication.FIRST_PROJECT)
        listed = api.get("/v1/tokens", headers=bearer(bound["token"])).json()["tokens"]
        assert [each["id"] for each in listed] == [bound["id"]]
        assert api.delete(f"/v1/tokens/{first['id']}", headers=bearer(bound["token"])).status_code == 404


class TestRegions:
    def test_all_is_at_one_url(self, anonymous: TestClient) -> None:
        (region,) = anonymous.get("/v1/regions").json()["regions"]
        url = "http://127.0.0.1:7878"
        assert (region["name"], region["default"]) == ("osc-fr1", True)
        assert (region["api"], region["database_api"], region["dashboard"]) == (url, url, url)
        assert region["ssh"] == "127.0.0.1:22"


class TestWrongTokens:
    def test_ten_thousand_change_nothing(self, service: Service, token: str) -> None:
        metrics = Metrics()
        app = create_app(service, metrics)
        with TestClient(app) as api:
            assert ask(api, token) == 200
            kept = len(service.store._cache)
            wrong = [f"tk-us-{number}" if number % 2 else f"eyJ{number}.{number}.x" for number in range(10_000)]
            assert asyncio.run(ask_in_process(app, wrong)) == {401}
            assert len(service.store._cache) <= kept
            assert rejected(metrics) == 10_000
            assert ask(api, token) == 200

    def test_having_none_is_no_rejection(self, service: Service) -> None:
        metrics = Metrics()
        with TestClient(create_app(service, metrics)) as api:
            assert api.get("/v1/databases").status_code == 401
        assert rejected(metrics) == 0

    @pytest.mark.parametrize("name", ["token", "access_token", "api_token", "jwt", "Authorization"])
    def test_the_query_string_is_no_place_for_one(self, anonymous: TestClient, token: str, name: str) -> None:
        for value in (token, exchange(anonymous, token), f"Bearer {token}"):
            assert anonymous.get("/v1/databases", params={name: value}).status_code == 401

    @pytest.mark.parametrize("wrong", ["é", "tk-us-é", "\u00ff" * 10, "x" * 5000, "x" * 1024 * 1024, "a.b.é", " . . "])
    def test_odd_characters_and_sizes(self, anonymous: TestClient, wrong: str) -> None:
        for scheme in ("Bearer", "Basic"):
            header = f"{scheme} {wrong}".encode("latin-1")
            answer = anonymous.post("/v1/tokens/exchange", headers={b"Authorization": header})
            assert (answer.status_code, list(answer.json())) == (401, ["error"])
        answer = anonymous.get("/v1/databases", headers={b"Authorization": f"Bearer {wrong}".encode("latin-1")})
        assert (answer.status_code, list(answer.json())) == (401, ["error"])

    def test_unicode_in_a_password_that_is_a_token(self, anonymous: TestClient) -> None:
        assert anonymous.post("/v1/tokens/exchange", headers=basic("tk-us-\U0001f600")).status_code == 401


class TestRateLimit:
    @pytest.fixture
    def limited(self, service: Service) -> Iterator[TestClient]:
        with TestClient(create_app(service, Metrics(), rate_limit=3), raise_server_exceptions=False) as client:
            yield client

    def test_is_of_each_token(self, limited: TestClient, service: Service, token: str) -> None:
        assert [ask(limited, token) for _ in range(4)] == [200, 200, 200, 429]
        answer = limited.get("/v1/databases", headers=bearer(token))
        assert list(answer.json()) == ["error"]
        assert 1 <= int(answer.headers["retry-after"]) <= 20
        assert ask(limited, open_account(service, "other")) == 200

    def test_is_of_the_address_without_one(self, limited: TestClient, token: str) -> None:
        assert [ask(limited, "wrong") for _ in range(4)] == [401, 401, 401, 429]
        assert limited.get("/v1/regions").status_code == 429
        assert limited.get("/healthz").status_code == 200
        assert ask(limited, token) == 200

    def test_a_jwt_counts_for_its_token(self, limited: TestClient, token: str) -> None:
        made = exchange(limited, token)
        assert [ask(limited, made), ask(limited, token), ask(limited, made)] == [200, 200, 429]

    def test_is_documented_where_it_is(self, limited: TestClient, anonymous: TestClient) -> None:
        paths = limited.get("/openapi.json").json()["paths"]
        assert "Retry-After" in paths["/v1/databases"]["get"]["responses"]["429"]["headers"]
        assert "429" not in paths["/healthz"]["get"]["responses"]
        unlimited = anonymous.get("/openapi.json").json()["paths"]
        documented = [
            path for path, methods in unlimited.items() for each in methods.values() if "429" in each["responses"]
        ]
        assert documented == ["/v1/databases/{database}/logs"]  # those who follow are counted in any case
