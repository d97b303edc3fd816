"""`/v1/users` in process: who makes accounts, what they can do, and what a disabled one cannot."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard.errors import Unauthorized
from dbyard.service import Service
from dbyard.service.accounts import authentication
from dbyard.store import Store
from tests.builders import open_account, seed_body

PASSWORD = "correct horse battery"
ANN = {"username": "ann", "email": "ann@example.org", "password": PASSWORD}


def make(api: TestClient, **fields: object) -> dict[str, Any]:
    answer = api.post("/v1/users", json={"user": ANN | fields})
    assert answer.status_code == 201, answer.text
    user: dict[str, Any] = answer.json()["user"]
    return user


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class TestCreate:
    def test_gives_a_token_and_a_default_project(self, api: TestClient) -> None:
        made = make(api)
        assert list(made) == ["id", "username", "email", "admin", "disabled_at", "token"]
        assert (made["username"], made["admin"], made["disabled_at"]) == ("ann", False, None)
        (project,) = api.get("/v1/projects", headers=bearer(made["token"])).json()["projects"]
        assert (project["name"], project["default"], project["owner"]["id"]) == ("default", True, made["id"])
        assert api.post("/v1/databases", json=seed_body(), headers=bearer(made["token"])).status_code == 201
        listed = api.get("/v1/users").json()["users"]
        assert [each["username"] for each in listed] == ["admin", "ann"]
        assert all("token" not in each for each in listed)

    def test_reports_all_that_is_wrong_at_once(self, api: TestClient) -> None:
        answer = api.post("/v1/users", json={"user": {"email": "x", "admin": "yes", "password": "short"}})
        assert (answer.status_code, sorted(answer.json()["errors"])) == (
            422,
            ["admin", "email", "password", "username"],
        )

    @pytest.mark.parametrize(
        "username",
        [
            "",
            "Ann",
            "a b",
            "-ann",
            "ann-",
            "x" * 33,
            "аnn",
            "ａnn",
            "ann\u0000",
            "ann\n",
            "a\u202enn",
            "self",
            "us-1",
            5,
        ],
    )
    def test_names_cannot_be_mistaken(self, api: TestClient, username: object) -> None:
        answer = api.post("/v1/users", json={"user": ANN | {"username": username}})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["username"])

    @pytest.mark.parametrize(
        "email", ["", "ann", "ann@", "@x", "a b@x", "ann@exämple.org", "a@x\n", f"{'a' * 250}@x.org"]
    )
    def test_addresses_have_a_rule(self, api: TestClient, email: str) -> None:
        answer = api.post("/v1/users", json={"user": ANN | {"email": email}})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["email"])

    def test_what_is_taken_is_told(self, api: TestClient) -> None:
        make(api)
        answer = api.post("/v1/users", json={"user": ANN | {"email": "ANN@example.org"}})
        assert answer.json() == {
            "errors": {"username": ["has already been taken"], "email": ["has already been taken"]}
        }

    def test_one_name_asked_for_at_once_is_given_once(self, api: TestClient) -> None:
        body = {"username": "ann", "email": "ann@example.org"}
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: api.post("/v1/users", json=body).status_code, range(8)))
        assert sorted(answers) == [201] + [422] * 7

    def test_a_password_is_kept_as_argon2id_only(self, api: TestClient, store: Store) -> None:
        make(api)
        with store.read() as connection:
            (kept,) = connection.execute("SELECT password FROM account WHERE username = 'ann'").fetchone()
            told = connection.execute("SELECT group_concat(data) FROM event").fetchone()[0]
        assert kept.startswith("$argon2id$v=19$")
        assert PASSWORD not in kept + told
        assert "argon2" not in told


class TestAdministrators:
    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "/v1/users"), ("POST", "/v1/users"), ("GET", "/v1/users/admin"), ("PATCH", "/v1/users/other")],
    )
    def test_alone_may(self, api: TestClient, service: Service, method: str, path: str) -> None:
        answer = api.request(method, path, json={}, headers=bearer(open_account(service, "other")))
        assert (answer.status_code, list(answer.json())) == (403, ["error"])

    def test_are_found_by_name_and_by_id(self, api: TestClient) -> None:
        made = make(api)
        assert api.get("/v1/users/ann").json() == api.get(f"/v1/users/{made['id']}").json()
        for key in ("nobody", "ANN", "%00"):
            answer = api.get(f"/v1/users/{key}")
            assert (answer.status_code, answer.json()) == (404, {"error": "User not found"})

    def test_one_has_to_stay(self, api: TestClient) -> None:
        answer = api.patch("/v1/users/admin", json={"disabled": True})
        assert answer.status_code == 409
        assert "last administrator" in answer.json()["error"]
        made = make(api, admin=True)
        assert api.patch("/v1/users/ann", json={"disabled": True}).status_code == 200
        assert api.patch("/v1/users/admin", json={"disabled": True}).status_code == 409
        assert api.patch("/v1/users/ann", json={"disabled": False}).status_code == 200
        assert api.patch("/v1/users/admin", json={"disabled": True}).status_code == 200
        assert api.get("/v1/users").status_code == 401
        assert api.get("/v1/users", headers=bearer(made["token"])).status_code == 200


class TestDisable:
    def test_refuses_every_way_in_at_once_and_touches_no_database(self, api: TestClient, service: Service) -> None:
        token = make(api)["token"]
        jwt = authentication.exchange(service, authentication.authenticate(service, token))
        api.post("/v1/databases", json=seed_body(), headers=bearer(token))
        assert api.patch("/v1/users/ann", json={"user": {"disabled": True}}).json()["user"]["disabled_at"] is not None
        for value in (token, jwt):
            assert api.get("/v1/databases", headers=bearer(value)).status_code == 401
        with pytest.raises(Unauthorized):
            authentication.authenticate_password(service, "ann", PASSWORD)
        with service.store.read() as connection:
            assert connection.execute("SELECT count(*) FROM database WHERE deleted_at IS NULL").fetchone()[0] == 1
        assert api.patch("/v1/users/ann", json={"disabled": False}).json()["user"]["disabled_at"] is None
        for value in (token, jwt):
            assert len(api.get("/v1/databases", headers=bearer(value)).json()["databases"]) == 1

    @pytest.mark.parametrize("fields", [{"disabled": "yes"}, {"password": "short"}, {"password": "x" * 257}])
    def test_wrong_fields_change_nothing(self, api: TestClient, fields: dict[str, object]) -> None:
        make(api)
        answer = api.patch("/v1/users/ann", json=fields)
        assert (answer.status_code, list(answer.json()["errors"])) == (422, list(fields))


class TestPassword:
    @pytest.mark.parametrize("name", ["ann", "ann@example.org", "ANN@Example.org"])
    def test_opens_by_name_and_by_address(self, api: TestClient, service: Service, name: str) -> None:
        made = make(api)
        principal = authentication.authenticate_password(service, name, PASSWORD)
        assert (principal.account.id, principal.token_id) == (made["id"], "")

    @pytest.mark.parametrize(
        ("name", "password"),
        [("ann", ""), ("ann", PASSWORD + " "), ("bob", PASSWORD), ("", ""), ("admin", ""), ("ann", "\u0000" * 99)],
    )
    def test_anything_else_is_refused_alike(self, api: TestClient, service: Service, name: str, password: str) -> None:
        make(api)
        with pytest.raises(Unauthorized, match="The username or the password is not valid"):
            authentication.authenticate_password(service, name, password)

    def test_who_is_unknown_costs_as_much(self, api: TestClient, service: Service) -> None:
        make(api)

        def cost(name: str) -> float:
            begun = time.thread_time()
            with pytest.raises(Unauthorized):
                authentication.authenticate_password(service, name, "wrong")
            return time.thread_time() - begun

        unknown, known = (min(cost(name) for _ in range(5)) for name in ("nobody", "ann"))
        assert 0.5 < unknown / known < 2

    def test_a_new_one_ends_the_old_one(self, api: TestClient, service: Service) -> None:
        token = make(api)["token"]
        assert api.patch("/v1/users/ann", json={"password": "pâssword with accents"}).status_code == 200
        with pytest.raises(Unauthorized):
            authentication.authenticate_password(service, "ann", PASSWORD)
        decomposed = "pa\u0302ssword with accents"
        assert authentication.authenticate_password(service, "ann", decomposed).account.username == "ann"
        assert api.get("/v1/databases", headers=bearer(token)).status_code == 200
