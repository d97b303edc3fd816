"""`/v1/addon_providers` in process: the menu."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from dbyard.catalogue import Catalogue
from tests.conftest import World


class TestProviders:
    def test_are_the_catalogue(self, anonymous: TestClient, catalogue: Catalogue) -> None:
        found = anonymous.get("/v1/addon_providers").json()["addon_providers"]
        assert [each["id"] for each in found] == [*catalogue.technologies, "postgresql-ng"]
        assert {each["category"]["name"] for each in found} == {"Databases"}
        assert all(each["plans"] for each in found)

    def test_say_which_server_really_answers_and_whether_it_is_here(self, anonymous: TestClient, world: World) -> None:
        world.missing = {("postgresql", "15")}
        providers = {each["id"]: each for each in anonymous.get("/v1/addon_providers").json()["addon_providers"]}
        assert "SecantusDB" in providers["mongodb"]["versions"][0]["server"]
        assert {each["version"]: each["installed"] for each in providers["postgresql"]["versions"]} == {
            "17": True,
            "15": False,
            "18": True,
        }

    @pytest.mark.parametrize(("missing", "default"), [(set(), "9.7"), ({("mysql", "9.7")}, "10.11")])
    def test_say_which_version_a_create_takes(
        self, anonymous: TestClient, world: World, missing: set[tuple[str, str]], default: str
    ) -> None:
        world.missing = missing
        providers = {each["id"]: each for each in anonymous.get("/v1/addon_providers").json()["addon_providers"]}
        assert [each["version"] for each in providers["mysql"]["versions"] if each["default"]] == [default]

    def test_of_a_category(self, anonymous: TestClient) -> None:
        (category,) = anonymous.get("/v1/addon_categories").json()["addon_categories"]
        assert category["name"].lower().startswith("database")
        every = anonymous.get("/v1/addon_providers?dedicated=true").json()
        assert anonymous.get(f"/v1/addon_providers?category_id={category['id']}").json() == every
        assert anonymous.get("/v1/addon_providers?category_id=none").json() == {"addon_providers": []}


class TestPlans:
    @pytest.mark.parametrize("path", ["postgresql/plans", "postgresql/plans?show_all=false"])
    def test_of_a_technology(self, anonymous: TestClient, path: str) -> None:
        plans = anonymous.get(f"/v1/addon_providers/{path}").json()["plans"]
        first = plans[0]
        assert first["name"] == "postgresql-starter-512"
        assert first["display_name"] == "Starter 512M"
        assert len(first["id"]) == 24
        assert first["properties"]["memory_mb"] == 512
        assert first["pricings"]["default"]["period"] == "minute"
        assert [each["position"] for each in plans] == sorted(each["position"] for each in plans)

    def test_of_an_offer(self, anonymous: TestClient) -> None:
        plans = anonymous.get("/v1/addon_providers/postgresql-ng/plans?show_all=false").json()["plans"]
        assert {"postgresql-dr-starter-4096", "postgresql-dr-enterprise-8192"} <= {each["name"] for each in plans}
        assert plans[0]["properties"]["connections"] == 400

    def test_of_an_unknown_technology(self, anonymous: TestClient) -> None:
        answer = anonymous.get("/v1/addon_providers/oracle/plans")
        assert (answer.status_code, answer.json()) == (404, {"error": "Addon provider not found"})
