"""`scalingo.js` from npm, unmodified, against a running platform with real servers."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
import redis

from tests.clients import scalingojs
from tests.clients.scalingojs import Refused
from tests.e2e.platforms import Platform, require


@pytest.fixture(scope="package", autouse=True)
def _package() -> None:
    scalingojs.install()


class TestJavaScript:
    def test_logs_in_and_looks_around(self, served: Platform, token: str) -> None:
        user, regions, providers, categories = scalingojs.call(
            served.url,
            token,
            ("Users", "self"),
            ("Regions", "all"),
            ("Addons", "listProviders"),
            ("Addons", "listCategories"),
        )
        assert user["username"] == "admin"
        assert [region["api"] for region in regions if region["default"]] == [served.url]
        assert {"postgresql", "mysql", "redis", "mongodb", "elasticsearch", "influxdb"} <= {
            each["id"] for each in providers
        }
        assert {each["category"]["id"] for each in providers} <= {each["id"] for each in categories}

    def test_a_wrong_token_is_refused_in_words(self, served: Platform) -> None:
        # The package's own exchange fails, so the program ends with its error.
        with pytest.raises(AssertionError, match="APIError"):
            scalingojs.call(served.url, "tk-us-wrong")

    def test_databases_from_create_to_destroy(self, served: Platform, token: str) -> None:
        require("postgresql", "17")
        plans = {"redis": "redis-starter-256", "postgresql": "postgresql-starter-512"}
        names = {technology: f"from-js-{technology}" for technology in plans}
        before, *_, listed = scalingojs.call(
            served.url,
            token,
            ("Databases", "all"),
            # This version's own names of the fields; later ones say name, technology and plan.
            *(
                ("Databases", "create", {"database_name": names[each], "addon_provider_id": each, "plan_id": plan})
                for each, plan in plans.items()
            ),
            ("Databases", "all"),
        )
        made = [each for each in listed["databases"] if each not in before["databases"]]
        assert [(each["name"], each["technology"], each["plan"]) for each in made] == [
            (names[technology], technology, plan) for technology, plan in plans.items()
        ]
        for each in made:
            served.await_usable(each["name"])
            self.look_at(served, token, each)
        gone = [("Apps", "destroy", each["id"], each["name"]) for each in made]
        *_, after = scalingojs.call(served.url, token, *gone, ("Databases", "all"))
        assert after == before

    def look_at(self, served: Platform, token: str, database: dict[str, Any]) -> None:
        """Its app, its addon, and the URL that its application would get, which works."""
        app, addons, variables, unknown = scalingojs.call(
            served.url,
            token,
            ("Apps", "find", database["name"]),
            ("Addons", "for", database["id"]),
            ("Environment", "for", database["id"]),
            ("Apps", "all"),
        )
        assert (app["id"], app["name"]) == (database["id"], database["name"])
        assert app["id"] in [each["id"] for each in unknown]
        [addon] = addons
        assert addon["id"].startswith("ad-")
        assert addon["plan"]["name"] == database["plan"]
        assert addon["addon_provider"]["id"] == database["technology"]
        [url] = {each["value"] for each in variables if "://" in each["value"]}
        if database["technology"] == "redis":
            with redis.Redis.from_url(url) as client:
                assert client.set("key", "value")
        else:
            with psycopg.connect(url) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)

    def test_what_happened_and_what_is_written(self, served: Platform, token: str) -> None:
        body = {"name": "from-js-told", "technology": "redis", "plan": "redis-starter-128"}
        scalingojs.call(served.url, token, ("Databases", "create", body))
        served.await_usable("from-js-told")
        types, categories, told, logs = scalingojs.call(
            served.url,
            token,
            ("Events", "listEventTypes"),
            ("Events", "listEventCategories"),
            ("Events", "all", {"page": 1}),
            ("Logs", "for", "from-js-told", {"count": 5}),
        )
        assert {each["type"] for each in told["events"]} <= {each["name"] for each in types}
        assert {each["category_id"] for each in types} == {each["id"] for each in categories}
        assert 0 < len(logs.splitlines()) <= 5
        assert all(" [redis-1] " in line for line in logs.splitlines())

    def test_wrong_requests_tell_what_is_wrong(self, served: Platform, token: str) -> None:
        with pytest.raises(Refused) as refused:
            scalingojs.call(served.url, token, ("Apps", "find", "nobody-has-this"))
        assert (refused.value.status, refused.value.data) == (404, {"resource": "app", "error": "not found"})
        with pytest.raises(Refused) as refused:
            scalingojs.call(served.url, token, ("Databases", "create", {"name": "A"}))
        assert refused.value.status == 422
        assert set(refused.value.data["errors"]) == {"name", "technology", "plan"}

    def test_a_database_moves_and_takes_another_name(self, served: Platform, token: str) -> None:
        body = {"name": "from-js-old", "technology": "redis", "plan": "redis-starter-128"}
        project, _created, found = scalingojs.call(
            served.url,
            token,
            ("Projects", "create", {"name": "from-js"}),
            ("Databases", "create", body),
            ("Apps", "find", "from-js-old"),
        )
        # A plan is only changed once the server runs.
        served.await_usable("from-js-old")
        changed, renamed, moved, addon, people, told = scalingojs.call(
            served.url,
            token,
            ("Addons", "update", found["id"], f"ad-{found['id']}", {"plan_id": "redis-starter-256"}),
            ("Apps", "rename", found["id"], "from-js-old", "from-js-new"),
            ("Apps", "update", found["id"], {"project_id": project["id"]}),
            ("Addons", "getAddon", found["id"], f"ad-{found['id']}"),
            ("Collaborators", "for", found["id"]),
            ("Events", "for", found["id"], {"page": 1}),
        )
        assert changed["plan"]["name"] == "redis-starter-256"
        assert (renamed["id"], renamed["name"]) == (found["id"], "from-js-new")
        assert moved["project"]["id"] == project["id"]
        assert addon["app_id"] == found["id"]
        assert people == []
        assert told["events"]

    def test_tokens_are_made_renewed_and_revoked(self, served: Platform, token: str) -> None:
        [made] = scalingojs.call(served.url, token, ("Tokens", "create", "from js"))
        assert scalingojs.call(served.url, made["token"], ("Databases", "all"))
        [renewed] = scalingojs.call(served.url, token, ("Tokens", "renew", made["id"]))
        assert scalingojs.call(served.url, renewed["token"], ("Databases", "all"))
        scalingojs.call(served.url, token, ("Tokens", "destroy", made["id"]))
        with pytest.raises(AssertionError, match="APIError"):
            scalingojs.call(served.url, renewed["token"])
