"""`/v1/tokens` in process."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from dbyard import secrets
from dbyard.service import Service
from tests.builders import open_account
from tests.conftest import World


class TestTokens:
    @pytest.mark.parametrize("body", [{"token": {"name": "laptop"}}, {"name": "laptop"}])
    def test_create_shows_the_value_once(self, api: TestClient, body: object) -> None:
        answer = api.post("/v1/tokens", json=body)
        assert answer.status_code == 201
        created = answer.json()["token"]
        assert created["token"].startswith("tk-us-")
        assert created["name"] == "laptop"
        assert api.get("/v1/databases", headers={"Authorization": f"Bearer {created['token']}"}).status_code == 200
        listed = api.get("/v1/tokens").json()["tokens"]
        assert [each["name"] for each in listed] == ["first", "laptop"]
        assert all("token" not in each for each in listed)

    @pytest.mark.parametrize("name", [None, "", 5, "x" * 65, "a\nb", "\u001b[2J", ["x"]])
    def test_names_have_a_rule(self, api: TestClient, name: object) -> None:
        answer = api.post("/v1/tokens", json={"token": {"name": name}})
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["name"])

    def test_a_revoked_one_is_worthless_at_once(self, api: TestClient, token: str, world: World) -> None:
        (first,) = api.get("/v1/tokens").json()["tokens"]
        assert api.delete(f"/v1/tokens/{first['id']}").status_code == 204
        assert api.get("/v1/databases").status_code == 401
        assert world.revoked == [secrets.digest(token)]

    def test_what_is_not_ours_is_not_there(self, api: TestClient, service: Service, world: World) -> None:
        open_account(service, "other")
        for token_id in ("nothing", "token-other"):
            answer = api.delete(f"/v1/tokens/{token_id}")
            assert (answer.status_code, answer.json()) == (404, {"error": "Token not found"})
        assert world.revoked == []
