"""What was done is told: by whom, from which token, and never a secret."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard import secrets
from dbyard.model import Project, Scope, Token
from dbyard.service import Service
from dbyard.service.accounts.authentication import FIRST_PROJECT
from dbyard.store import accounts, collaborators, events, projects, tokens
from tests.builders import get_ready, open_account, seed_body


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def mint(service: Service, account_id: str, **bounds: Any) -> str:
    """A token of the account with these bounds."""
    value = secrets.mint_token()
    with service.store.tx() as connection:
        token = Token(secrets.make_id(), "bound", service.clock(), None, **bounds)
        tokens.insert(connection, account_id, token, secrets.digest(value))
    return value


def names(api: TestClient, headers: dict[str, str]) -> list[str]:
    """Of which database each event tells that its caller sees."""
    found = api.get("/v1/events", headers=headers).json()["events"]
    return [event["app_name"] for event in found if event["app_name"]]


def recorded(service: Service) -> list[dict[str, object]]:
    """The events as they are stored, oldest first, but for that of the first token."""
    with service.store.read() as connection:
        rows = connection.execute("SELECT * FROM event WHERE seq > 1 ORDER BY seq").fetchall()
    return [dict(row) | {"data": json.loads(row["data"])} for row in rows]


class TestRecorded:
    def test_a_database_from_its_beginning_to_its_end(self, api: TestClient, service: Service) -> None:
        database = api.post("/v1/databases", json=seed_body()).json()["database"]
        get_ready(service)
        api.delete("/v1/databases/my-postgres-db?confirm=my-postgres-db")
        made, deleted = recorded(service)
        token_id = api.get("/v1/tokens").json()["tokens"][0]["id"]
        for event, kind in ((made, "database.created"), (deleted, "database.deleted")):
            assert event["type"] == kind
            assert (event["username"], event["email"], event["token_id"]) == ("admin", "admin@localhost", token_id)
            assert event["owner_id"] == event["account_id"]
            assert (event["database_id"], event["app_name"]) == (database["id"], "my-postgres-db")
            assert event["project_id"] == database["project_id"]
            assert event["data"] == {"technology": "postgresql", "plan": "postgresql-starter-512"}

    def test_nothing_of_what_was_refused(self, api: TestClient, service: Service) -> None:
        api.post("/v1/databases", json=seed_body())
        for response in (
            api.post("/v1/databases", json=seed_body()),
            api.post("/v1/databases", json=seed_body("another-db", project_id="pr-unknown")),
            api.delete("/v1/databases/my-postgres-db?confirm=another-db"),
        ):
            assert response.is_client_error
        assert [event["type"] for event in recorded(service)] == ["database.created"]

    def test_a_repeated_request_once(self, api: TestClient, service: Service) -> None:
        for _ in range(2):
            assert api.post("/v1/databases", json=seed_body(), headers={"Idempotency-Key": "k"}).status_code == 201
        assert len(recorded(service)) == 1

    def test_the_first_token_as_the_platforms_own_deed(self, service: Service, token: str) -> None:
        with service.store.read() as connection:
            (first,) = connection.execute("SELECT * FROM event").fetchall()
        assert (first["type"], first["username"], first["account_id"]) == ("token.created", "dbyard", None)
        assert json.loads(first["data"])["token_name"] == "first"
        assert token not in first["data"]

    def test_no_secret_of_anybody(self, api: TestClient, service: Service, token: str) -> None:
        database = api.post("/v1/databases", json=seed_body()).json()["database"]
        get_ready(service)
        connection = api.get("/v1/databases/my-postgres-db/connection").json()["connection"]
        reset = api.post(f"/api/databases/{database['id']}/users/{connection['user']}/reset_password").json()
        made = api.post("/v1/tokens", json={"name": "laptop"}).json()["token"]
        renewed = api.patch(f"/v1/tokens/{made['id']}/renew").json()["token"]
        user = {"username": "ada", "email": "ada@example.org", "password": "correct horse battery staple"}
        account = api.post("/v1/users", json={"user": user}).json()
        api.patch("/v1/users/ada", json={"user": {"password": "another long password"}})
        secrets_of = [token, connection["password"], reset["password"], made["token"], renewed["token"]]
        secrets_of += [account["user"]["token"], user["password"], "another long password", "argon2"]
        told = json.dumps([{key: str(value) for key, value in event.items()} for event in recorded(service)])
        assert len(recorded(service)) >= 6
        assert [secret for secret in secrets_of if secret in told] == []


class TestList:
    def test_of_a_token_for_one_project_has_that_project_alone(self, api: TestClient, service: Service) -> None:
        value = open_account(service, "ada")
        with service.store.tx() as connection:
            projects.insert(connection, Project("pr-2", "us-ada", "second", False, 1.0, 1.0))
        for name, project in (("database-1", None), ("database-2", "pr-2")):
            api.post("/v1/databases", json=seed_body(name, project_id=project), headers=bearer(value))
        bound = mint(service, "us-ada", project_id="pr-2")
        assert names(api, bearer(bound)) == ["database-2"]
        assert api.get("/v1/events?all=true", headers=bearer(mint(service, "us-ada"))).status_code == 403

    @pytest.mark.parametrize("bounds", [{"scope": Scope.READ}, {"scope": Scope.WRITE}, {"project_id": FIRST_PROJECT}])
    def test_of_everybody_needs_all_the_rights_of_an_admin(
        self, api: TestClient, service: Service, bounds: dict[str, Any]
    ) -> None:
        with service.store.read() as connection:
            admin = accounts.find_account(connection, "admin")
        assert admin is not None
        value = mint(service, admin.id, **bounds)
        assert api.get("/v1/events", headers=bearer(value)).status_code == 200
        assert api.get("/v1/events?all=true", headers=bearer(value)).status_code == 403

    def test_has_what_clients_of_scalingo_read(self, api: TestClient) -> None:
        database = api.post("/v1/databases", json=seed_body()).json()["database"]
        answer = api.get("/v1/events").json()
        user = {"username": "admin", "email": "admin@localhost"}
        event = answer["events"][0]
        assert event["user"].items() >= user.items()
        assert event["user"]["id"].startswith("us-")
        assert (event["type"], event["created_at"]) == ("new_addon", "2027-01-15T08:00:00Z")
        assert (event["app_id"], event["app_name"]) == (database["id"], "my-postgres-db")
        assert event["type_data"] == {
            "addon_id": f"ad-{database['id']}",
            "addon_provider_name": "postgresql",
            "plan_name": "postgresql-starter-512",
            "resource_id": database["id"],
        }
        assert answer["meta"] == {
            "pagination": {
                "current_page": 1, "prev_page": None, "next_page": None, "total_pages": 1, "total_count": 2,
                "per_page": 30,
            }
        }  # fmt: skip

    def test_reads_events_of_older_versions_as_before(self, api: TestClient, service: Service) -> None:
        database = api.post("/v1/databases", json=seed_body()).json()["database"]
        data = {
            "addon_id": f"ad-{database['id']}",
            "addon_provider_name": "postgresql",
            "old_plan_name": "postgresql-starter-512",
            "plan_name": "postgresql-starter-1024",
            "resource_id": database["id"],
        }
        with service.store.tx() as connection:
            (newest, *_) = events.list_page(connection, events.everything(), 1, 0)
            events.append(connection, replace(newest, id="old", type="upgrade_addon", data=data))
        event = api.get(f"/v1/apps/{database['id']}/events").json()["events"][0]
        assert event["type"] == "upgrade_addon"
        assert event["type_data"] == data | {"new_plan_name": "postgresql-starter-1024"}

    def test_comes_in_pages_newest_first(self, api: TestClient) -> None:
        names = [f"database-{number}" for number in range(5)]
        for name in names:
            api.post("/v1/databases", json=seed_body(name))
        pages = [api.get(f"/v1/events?page={number}&per_page=2").json() for number in (1, 2, 3, 4)]
        assert [[event["app_name"] for event in page["events"]] for page in pages] == [
            ["database-4", "database-3"], ["database-2", "database-1"], ["database-0", None], [],
        ]  # fmt: skip
        around = [page["meta"]["pagination"] for page in pages]
        assert [(each["prev_page"], each["next_page"]) for each in around] == [(None, 2), (1, 3), (2, None), (3, None)]
        assert {(each["total_pages"], each["total_count"]) for each in around} == {(3, 6)}

    def test_of_a_database_that_was_deleted_goes_on(self, api: TestClient) -> None:
        api.post("/v1/databases", json=seed_body())
        api.delete("/v1/databases/my-postgres-db?confirm=my-postgres-db")
        kinds = [event["type"] for event in api.get("/v1/events").json()["events"]]
        assert kinds == ["delete_addon", "new_addon", "new_token"]
        answer = api.get("/v1/apps/my-postgres-db/events")
        assert (answer.status_code, answer.json()) == (404, {"resource": "app", "error": "not found"})

    def test_of_a_database_has_no_other(self, api: TestClient) -> None:
        found = api.post("/v1/databases", json=seed_body()).json()["database"]
        api.post("/v1/databases", json=seed_body("another-db"))
        for key in ("my-postgres-db", found["id"], f"ad-{found['id']}"):
            answer = api.get(f"/v1/apps/{key}/events").json()
            assert [event["app_id"] for event in answer["events"]] == [found["id"]]
            assert answer["meta"]["pagination"]["total_count"] == 1

    def test_hides_what_is_of_others(self, api: TestClient, service: Service) -> None:
        foreign = {"Authorization": f"Bearer {open_account(service, 'mallory')}"}
        api.post("/v1/databases", json=seed_body())
        api.post("/v1/databases", json=seed_body("hers-alone"), headers=foreign)
        assert names(api, foreign) == ["hers-alone"]
        assert names(api, {}) == ["my-postgres-db"]
        assert api.get("/v1/events?all=true", headers=foreign).status_code == 403
        assert api.get("/v1/events?all=true").json()["meta"]["pagination"]["total_count"] == 3

    def test_tells_collaborators_of_what_they_may_use(self, api: TestClient, service: Service) -> None:
        ada, bob = (bearer(open_account(service, name)) for name in ("ada", "bob"))
        api.post("/v1/databases", json=seed_body("database-1"), headers=ada)
        with service.store.tx() as connection:
            collaborators.add(connection, collaborators.of_project("pr-ada"), "us-bob", False, 1.0)
            projects.insert(connection, Project("pr-2", "us-ada", "second", False, 1.0, 1.0))
        api.post("/v1/databases", json=seed_body("database-2", project_id="pr-2"), headers=ada)
        api.post("/v1/databases", json=seed_body("database-3"), headers=bob)
        assert names(api, bob) == ["database-3", "database-1"]
        assert names(api, ada) == ["database-2", "database-1"]
        assert names(api, bearer(mint(service, "us-bob", project_id="pr-ada"))) == ["database-1"]
        assert api.get("/v1/apps/database-1/events", headers=bob).status_code == 200
        with service.store.tx() as connection:
            collaborators.remove(connection, collaborators.of_project("pr-ada"), "us-bob")
        assert names(api, bob) == ["database-3"]

    @pytest.mark.parametrize(
        ("query", "fields"),
        [
            ("page=0&per_page=101", {"page", "per_page"}),
            ("page=-1", {"page"}),
            ("page=1e3", {"page"}),
            ("per_page=", {"per_page"}),
            ("page=%D9%A1", {"page"}),
            ("page=99999999999999999999", {"page"}),
            ("all=yes", {"all"}),
        ],
    )
    def test_refuses_what_is_no_page(self, api: TestClient, query: str, fields: set[str]) -> None:
        answer = api.get(f"/v1/events?{query}")
        assert (answer.status_code, set(answer.json()["errors"])) == (422, fields)

    def test_the_highest_page_is_empty(self, api: TestClient) -> None:
        assert api.get("/v1/events?page=1000000&per_page=100").json()["events"] == []
