"""`/v1/apps`: each database as the app with one addon that the clients of Scalingo's API look for."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard.model import OperationKind
from dbyard.service import Service
from dbyard.service.accounts import authentication
from dbyard.service.databases import databases, status
from dbyard.service.databases.create import create
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import instances, operations
from tests.builders import claim, fail, get_ready, open_account, seed_body
from tests.conftest import Clock

NAME = "my-postgres-db"
NO_APP = {"resource": "app", "error": "not found"}
VARIABLES = {
    "postgresql": ("SCALINGO_POSTGRESQL_URL", "DATABASE_URL"),
    "postgresql-ng": ("SCALINGO_POSTGRESQL_URL", "DATABASE_URL"),
    "mysql": ("SCALINGO_MYSQL_URL", "DATABASE_URL"),
    "redis": ("SCALINGO_REDIS_URL", "REDIS_URL"),
    "mongodb": ("SCALINGO_MONGO_URL", "MONGO_URL"),
    "elasticsearch": ("SCALINGO_ELASTICSEARCH_URL", "ELASTICSEARCH_URL"),
    "opensearch": ("SCALINGO_OPENSEARCH_URL", "OPENSEARCH_URL"),
    "influxdb": ("SCALINGO_INFLUX_URL", "INFLUX_URL"),
}


@pytest.fixture
def made(api: TestClient) -> dict[str, Any]:
    database: dict[str, Any] = api.post("/v1/databases", json=seed_body(NAME)).json()["database"]
    return database


def ask(api: TestClient, path: str) -> Any:
    answer = api.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


class TestGet:
    def test_has_the_databases_id_and_name_and_nothing_beside_it(self, api: TestClient, made: dict[str, Any]) -> None:
        found = ask(api, f"/v1/apps/{made['id']}")
        assert list(found) == ["app"]
        app = found["app"]
        assert (app["id"], app["name"]) == (made["app"]["id"], NAME) == (made["id"], made["app"]["name"])
        assert app["project"] == {"id": made["project_id"], "name": "default"}
        assert app["owner"].keys() == {"id", "username", "email"}
        assert app["flags"] == {"dedicated-database": True}
        assert app["created_at"] == app["updated_at"] == "2027-01-15T08:00:00Z"
        assert ask(api, f"/v1/apps/{NAME}") == found

    def test_status_follows_the_database(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        def status() -> object:
            (addon,) = ask(api, f"/v1/apps/{NAME}/addons")["addons"]
            return ask(api, f"/v1/apps/{NAME}")["app"]["status"], addon["status"]

        assert status() == ("new", "provisioning")
        get_ready(service)
        assert status() == ("running", "running")
        with service.store.tx() as connection:
            instance = instances.get_primary(connection, made["id"])
            assert instance is not None
            instances.set_down(connection, instance.id, service.clock(), "the server does not run")
            operations.insert(connection, made["id"], OperationKind.HEAL, service.clock())
        assert status() == ("stopped", "running")

    def test_that_never_got_ready(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        fail(service, "init_failed", "broken")
        assert ask(api, f"/v1/apps/{NAME}")["app"]["status"] == "stopped"
        assert ask(api, f"/v1/apps/{NAME}/addons")["addons"][0]["status"] == "suspended"

    @pytest.mark.parametrize("path", ["", "/addons", "/addons/ad-x", "/variables", "/operations/x", "/log_drains"])
    def test_of_an_unknown_one(self, api: TestClient, path: str) -> None:
        answer = api.get(f"/v1/apps/nobodys-app{path}")
        assert (answer.status_code, answer.json()) == (404, NO_APP)

    def test_list_is_newest_last(self, api: TestClient, made: dict[str, Any], service: Service) -> None:
        api.post("/v1/databases", json=seed_body("another-db"))
        found = ask(api, "/v1/apps")
        assert list(found) == ["apps"]
        assert [each["name"] for each in found["apps"]] == [NAME, "another-db"]
        assert found["apps"][0] == ask(api, f"/v1/apps/{NAME}")["app"]
        foreign = {"Authorization": f"Bearer {open_account(service, 'mallory')}"}
        assert api.get("/v1/apps", headers=foreign).json() == {"apps": []}


def test_a_list_holds_while_databases_come_and_go(api: TestClient, service: Service, made: dict[str, Any]) -> None:
    """What is deleted between two queries of one answer is in it or not, and never breaks it."""
    principal = authentication.authenticate(service, api.headers["Authorization"].removeprefix("Bearer "))
    done = threading.Event()

    def come_and_go() -> None:
        for number in range(20):
            create(service, principal, CreateRequest(f"passing-{number}", "redis", "redis-starter-128"))
            databases.delete(service, principal, f"passing-{number}", f"passing-{number}")
        done.set()

    with ThreadPoolExecutor(1) as pool:
        passing = pool.submit(come_and_go)
        while not done.is_set() and not passing.done():
            names = [each.database.name for each in status.list_overviews(service, principal)]
            assert names[0] == NAME
            assert len(names) <= 2
        passing.result()


class TestRename:
    def test_changes_the_name_and_nothing_else(
        self, api: TestClient, service: Service, made: dict[str, Any], clock: Clock
    ) -> None:
        get_ready(service)
        connection = ask(api, f"/v1/databases/{NAME}/connection")
        clock.advance(5)
        answer = api.post(f"/v1/apps/{NAME}/rename", json={"current_name": NAME, "new_name": "renamed-db"})
        assert answer.status_code == 200
        app = answer.json()["app"]
        assert (app["id"], app["name"], app["updated_at"]) == (made["id"], "renamed-db", "2027-01-15T08:00:05Z")
        assert ask(api, "/v1/databases/renamed-db/connection") == connection
        assert ask(api, "/v1/databases/renamed-db")["database"]["app"]["name"] == "renamed-db"
        assert ask(api, f"/api/databases/ad-{made['id']}")["database"]["app_name"] == "renamed-db"
        assert api.get(f"/v1/apps/{NAME}").status_code == 404
        assert api.post("/v1/databases", json=seed_body(NAME)).status_code == 201

    def test_is_told(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        api.post(f"/v1/apps/{NAME}/rename", json={"current_name": NAME, "new_name": "renamed-db"})
        with service.store.read() as connection:
            told = connection.execute(
                "SELECT type, app_name, database_id, data FROM event ORDER BY seq DESC"
            ).fetchone()
        assert tuple(told)[:3] == ("database.renamed", "renamed-db", made["id"])
        assert json.loads(told["data"]) == {"old_name": NAME, "new_name": "renamed-db"}

    def test_to_its_own_name(self, api: TestClient, made: dict[str, Any]) -> None:
        assert api.post(f"/v1/apps/{NAME}/rename", json={"current_name": NAME, "new_name": NAME}).status_code == 200

    @pytest.mark.parametrize(
        ("current", "new", "wrong"),
        [
            ("another-db", "renamed-db", ["current_name"]),
            (None, "renamed-db", ["current_name"]),
            (NAME, "taken-db", ["new_name"]),
            (NAME, "Renamed", ["new_name"]),
            (NAME, None, ["new_name"]),
            (NAME, ["renamed-db"], ["new_name"]),
            ("another-db", "a", ["current_name", "new_name"]),
        ],
    )
    def test_refused(
        self, api: TestClient, made: dict[str, Any], current: object, new: object, wrong: list[str]
    ) -> None:
        api.post("/v1/databases", json=seed_body("taken-db"))
        before = ask(api, "/v1/apps")
        answer = api.post(f"/v1/apps/{NAME}/rename", json={"current_name": current, "new_name": new})
        assert answer.status_code == 422
        assert sorted(answer.json()["errors"]) == wrong
        assert ask(api, "/v1/apps") == before


class TestMove:
    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    @pytest.mark.parametrize("wrap", [lambda fields: fields, lambda fields: {"app": fields}], ids=["flat", "wrapped"])
    def test_to_another_project(self, api: TestClient, made: dict[str, Any], method: str, wrap: Any) -> None:
        project = api.post("/v1/projects", json={"name": "other"}).json()["project"]
        answer = api.request(method, f"/v1/apps/{NAME}", json=wrap({"project_id": project["id"]}))
        assert answer.status_code == 200
        assert list(answer.json()) == ["app"]
        assert answer.json()["app"]["project"] == {"id": project["id"], "name": "other"}
        assert ask(api, f"/v1/databases/{NAME}")["database"]["project_id"] == project["id"]
        assert answer.json()["app"]["id"] == made["id"]

    def test_refused(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        open_account(service, "mallory")
        for project in ("pr-mallory", "pr-unknown"):
            answer = api.put(f"/v1/apps/{NAME}", json={"project_id": project})
            assert (answer.status_code, answer.json()) == (404, {"resource": "project", "error": "not found"})
        for fields in ({}, {"project_id": None}, {"project_id": 1}):
            assert list(api.put(f"/v1/apps/{NAME}", json=fields).json()["errors"]) == ["project_id"]
        for settings in ({"force_https": True}, {"app": {"owner": "ann@example.org"}}, {"app": {"stack_id": "st-1"}}):
            answer = api.patch(f"/v1/apps/{NAME}", json=settings)
            assert (answer.status_code, "project_id" in answer.json()["error"]) == (409, True)
        assert ask(api, f"/v1/databases/{NAME}")["database"]["project_id"] == made["project_id"]


class TestDelete:
    def test_by_its_name(self, api: TestClient, made: dict[str, Any]) -> None:
        answer = api.delete(f"/v1/apps/{made['id']}?current_name={NAME}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert api.get(f"/v1/databases/{NAME}").status_code == 404

    @pytest.mark.parametrize(
        "query", ["", "?", "?current_name=", "?current_name=another-db", "?confirm=my-postgres-db"]
    )
    def test_not_without_its_name(self, api: TestClient, made: dict[str, Any], query: str) -> None:
        answer = api.delete(f"/v1/apps/{NAME}{query}")
        assert answer.status_code == 422
        assert answer.json() == {"errors": {"current_name": [f"should be the name of the app: {NAME}"]}}
        assert api.get(f"/v1/databases/{NAME}").status_code == 200


class TestAddons:
    def test_there_is_one(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        (addon,) = ask(api, f"/v1/apps/{NAME}/addons?")["addons"]
        assert addon["id"] == f"ad-{made['id']}"
        assert (addon["app_id"], addon["resource_id"]) == (made["id"], made["id"])
        assert addon["addon_provider"] == {"id": "postgresql", "name": "PostgreSQL", "logo_url": ""}
        plans = ask(api, "/v1/addon_providers/postgresql/plans")["plans"]
        assert addon["plan"] == next(each for each in plans if each["name"] == made["plan"])
        assert (addon["provisioned_at"], addon["deprovisioned_at"]) == (None, None)
        get_ready(service)
        addon = ask(api, f"/v1/apps/{made['id']}/addons/ad-{made['id']}")["addon"]
        assert addon["provisioned_at"] == "2027-01-15T08:00:00Z"

    @pytest.mark.parametrize("addon", ["ad-x", NAME])
    def test_of_another_id(self, api: TestClient, made: dict[str, Any], addon: str) -> None:
        answer = api.get(f"/v1/apps/{NAME}/addons/{addon}")
        assert (answer.status_code, answer.json()) == (404, {"resource": "addon", "error": "not found"})

    @pytest.mark.parametrize(
        ("technology", "plan", "name"),
        [
            ("redis", "redis-starter-256", "Redis® OSS"),
            ("postgresql", "postgresql-starter-512", "PostgreSQL"),
            ("postgresql-ng", "postgresql-dr-starter-4096", "PostgreSQL"),
            ("mysql", "mysql-starter-512", "MySQL"),
            ("mongodb", "mongo-starter-256", "MongoDB"),
            ("influxdb", "influxdb-starter-512", "InfluxDB"),
        ],
    )
    def test_are_found_by_what_clients_call_their_technology(
        self, api: TestClient, technology: str, plan: str, name: str
    ) -> None:
        body = seed_body("another-db", technology=technology, plan=plan)
        assert api.post("/v1/databases", json=body).status_code == 201
        (addon,) = ask(api, "/v1/apps/another-db/addons")["addons"]
        assert addon["addon_provider"] == {"id": technology, "name": name, "logo_url": ""}
        for key in {technology, technology.removesuffix("-ng"), addon["id"]}:
            assert ask(api, f"/v1/apps/another-db/addons/{key}")["addon"] == addon
        assert api.get("/v1/apps/another-db/addons/oracle").status_code == 404

    def test_a_token_opens_the_database_api_of_this_database(
        self, api: TestClient, made: dict[str, Any], clock: Clock
    ) -> None:
        other = api.post("/v1/databases", json=seed_body("another-db")).json()["database"]
        answer = api.post(f"/v1/apps/{NAME}/addons/ad-{made['id']}/token", json={})
        assert answer.status_code == 200
        addon = answer.json()["addon"]
        token = addon.pop("token")
        assert addon == ask(api, f"/v1/apps/{NAME}/addons/ad-{made['id']}")["addon"]
        assert token.count(".") == 2
        headers = {"Authorization": f"Bearer {token}"}
        assert api.get(f"/api/databases/ad-{made['id']}", headers=headers).status_code == 200
        assert api.get(f"/api/databases/ad-{other['id']}", headers=headers).status_code == 404
        assert api.get(f"/v1/apps/{NAME}", headers=headers).status_code == 403
        clock.advance(3601)
        assert api.get(f"/api/databases/ad-{made['id']}", headers=headers).status_code == 401

    def test_no_token_for_another_addon(self, api: TestClient, made: dict[str, Any]) -> None:
        assert api.post(f"/v1/apps/{NAME}/addons/ad-x/token").status_code == 404
        assert api.post(f"/v1/apps/unknown-app/addons/ad-{made['id']}/token").json() == NO_APP

    def test_no_second_one(self, api: TestClient, made: dict[str, Any]) -> None:
        answer = api.post(f"/v1/apps/{NAME}/addons", json={"addon": {"addon_provider_id": "redis", "plan_id": "x"}})
        assert answer.status_code == 409
        assert "POST /v1/databases" in answer.json()["error"]

    def test_logs_go_nowhere(self, api: TestClient, made: dict[str, Any]) -> None:
        for path in (f"/v1/apps/{NAME}/log_drains", f"/v1/apps/{NAME}/addons/ad-{made['id']}/log_drains"):
            assert ask(api, path) == {"drains": []}


class TestVariables:
    def test_once_the_url_is_certain(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        assert ask(api, f"/v1/apps/{NAME}/variables") == {"variables": []}
        get_ready(service)
        url = ask(api, f"/v1/databases/{NAME}/connection")["connection"]["url"]
        assert self.values(api, "?aliases=false") == {"SCALINGO_POSTGRESQL_URL": url, "DATABASE_URL": url}
        for query in ("", "?", "?aliases=true"):
            assert self.values(api, query) == {
                "SCALINGO_POSTGRESQL_URL": url,
                "DATABASE_URL": "$SCALINGO_POSTGRESQL_URL",
            }
        with service.store.tx() as connection:
            operations.insert(connection, made["id"], OperationKind.HEAL, service.clock())
        claim(service)
        assert self.values(api, "?aliases=false") == {"SCALINGO_POSTGRESQL_URL": url, "DATABASE_URL": url}

    @pytest.mark.parametrize("technology", VARIABLES)
    def test_names(self, api: TestClient, service: Service, technology: str) -> None:
        plan = service.catalogue.get(technology).plans[0].name
        assert api.post("/v1/databases", json=seed_body(NAME, technology=technology, plan=plan)).status_code == 201
        get_ready(service)
        assert tuple(self.values(api, "?aliases=true")) == VARIABLES[technology]

    def test_of_an_unknown_kind(self, api: TestClient, made: dict[str, Any]) -> None:
        assert api.get(f"/v1/apps/{NAME}/variables?aliases=perhaps").status_code == 422

    def values(self, api: TestClient, query: str) -> dict[str, str]:
        found = ask(api, f"/v1/apps/{NAME}/variables{query}")["variables"]
        assert len({each["id"] for each in found}) == len(found)
        return {each["name"]: each["value"] for each in found}


class TestOperation:
    def test_as_it_goes(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        operation_id = ask(api, f"/v1/databases/{NAME}/operations")["operations"][0]["id"]
        path = f"/v1/apps/{NAME}/operations/{operation_id}"
        found = ask(api, path)["operation"]
        assert (found["id"], found["type"], found["status"], found["finished_at"]) == (
            operation_id,
            "create",
            "pending",
            None,
        )
        fail(service, "init_failed", "broken")
        found = ask(api, path)["operation"]
        assert (found["status"], found["error"], found["finished_at"]) == ("error", "broken", "2027-01-15T08:00:00Z")

    def test_of_another_database(self, api: TestClient, made: dict[str, Any]) -> None:
        other = api.post("/v1/databases", json=seed_body("another-db")).json()["database"]["id"]
        operation_id = ask(api, f"/v1/databases/{other}/operations")["operations"][0]["id"]
        answer = api.get(f"/v1/apps/{NAME}/operations/{operation_id}")
        assert (answer.status_code, answer.json()) == (404, {"resource": "operation", "error": "not found"})


class TestEndpoints:
    def test_once_they_are_certain(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        path = f"/v1/databases/{NAME}/endpoints"
        assert ask(api, path) == {"endpoints": []}
        get_ready(service)
        (endpoint,) = ask(api, path)["endpoints"]
        assert endpoint["id"]
        assert {**endpoint, "id": ""} == {
            "id": "",
            "database_id": made["id"],
            "hostname": "127.0.0.1",
            "port": 20017,
            "type": "public-rw",
        }

    def test_no_peerings(self, api: TestClient, made: dict[str, Any]) -> None:
        assert ask(api, f"/v1/databases/{NAME}/net_peerings") == {"net_peerings": []}
