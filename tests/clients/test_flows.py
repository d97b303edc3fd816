"""What Scalingo's Go clients ask, call by call, against a running platform with real servers.

Each flow is one the client's own commands make, with its headers and bodies, in its order, and with its strictness.
"""

from __future__ import annotations

import json
import os
import signal
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psycopg
import pytest
import redis
from websockets.sync.client import connect as websocket
from websockets.typing import Origin

from dbyard.wire.accounts import NewAccount
from tests.clients.decoding import (
    ADDON,
    APP,
    BACKUP,
    COLLABORATOR,
    DATABASE,
    DATABASE_USER,
    DETAILS,
    ENDPOINT,
    EVENT,
    LOG_EVENT,
    NETWORK,
    PAGINATION,
    PLAN,
    PROJECT,
    PROVIDER,
    USER,
    VARIABLE,
    many,
    struct,
    text,
    texts,
)
from tests.clients.golang import Go, Refused, Session, log_in
from tests.e2e.platforms import Platform, require, wait_for

KNOWN_EVENTS = {
    "new_user", "rename_app", "update_app_project", "new_addon", "upgrade_addon", "delete_addon", "new_collaborator",
    "delete_collaborator", "change_collaborator_role", "new_token", "regenerate_token", "delete_token",
    "delete_project", "new_project", "edit_project",
}  # fmt: skip
"""Others are printed as unknown."""
OPERATOR_STATUSES = ("creating", "updating", "migrating", "upgrading", "running", "stopped")


@pytest.fixture
def session(served: Platform, token: str) -> Session:
    return log_in(served.url, token)


def list_plans(session: Session, technology: str) -> dict[str, Any]:
    """By name; the clients ask this without a token."""
    found = Go(session.api.base).get(f"/addon_providers/{technology}/plans", "plans", many(PLAN), show_all="false")
    return {plan["name"]: plan for plan in found}


def create(session: Session, **fields: str) -> dict[str, Any]:
    """The library sends the fields flat, under its own names."""
    made: dict[str, Any] = session.api.add("/databases", fields, "database", DATABASE)
    assert made["app"]["id"] == made["id"]  # Terraform polls for the app's
    return made


def await_status(session: Session, database_id: str, *, running: bool) -> dict[str, Any]:
    """Search until the status is `running`, or until it is not, as the clients wait."""

    def found() -> dict[str, Any] | None:
        database = session.search(database_id)
        assert database is not None, "the clients give up when a search misses"
        return database if (database["database"]["status"] == "running") is running else None

    return wait_for(found, lambda: f"{session.search(database_id)}", 60)


def url_of(session: Session, app: str, technology: str) -> str:
    variables = session.api.get(f"/apps/{app}/variables", "variables", many(VARIABLE), aliases="false")
    values = {each["name"]: each["value"] for each in variables}
    return str(values[f"SCALINGO_{technology.upper()}_URL"])


def change_plan(session: Session, app: str, addon: str, plan_id: str) -> dict[str, Any]:
    body = {"addon": {"plan_id": plan_id}}
    changed: dict[str, Any] = session.api.patch(f"/apps/{app}/addons/{addon}", body, "addon", ADDON)
    return changed


class TestCommandLine:
    def test_logs_in_and_shows_what_there_is(self, served: Platform, session: Session) -> None:
        user = session.auth.get("/users/self", "user", USER)
        assert all(user[key] for key in ("id", "username", "email"))
        assert "admin" not in (user["flags"] or {})  # the command line would ask a person for consent
        assert (session.api.base, session.database_api) == (f"{served.url}/v1", served.url)
        providers = Go(session.api.base).get("/addon_providers", "addon_providers", many(PROVIDER))
        assert all(each["category"]["name"].startswith("Database") for each in providers)

    def test_from_create_to_destroy(self, session: Session) -> None:
        plans = list_plans(session, "redis")
        smallest, larger = sorted(plans.values(), key=lambda plan: plan["position"])[:2]
        made = create(session, addon_provider_id="redis", plan_id=smallest["id"], name="from-the-cli")
        # `database-create --wait` searches for what it has just made.
        assert session.search(made["id"])
        database = await_status(session, made["id"], running=True)
        self.look_at(session, database)
        with redis.Redis.from_url(url_of(session, "from-the-cli", "redis")) as client:
            assert client.set("key", "value")
        addon = session.list_addons(made["id"])[0]
        assert change_plan(session, made["id"], addon["id"], larger["id"])["plan"]["id"] == larger["id"]
        # `database-upgrade --wait` hangs unless its first search finds the database at work.
        assert await_status(session, made["id"], running=False)["plan"] == larger["name"]
        session.api.delete(f"/apps/{database['name']}", current_name=database["name"])
        assert session.search(made["id"]) is None

    def look_at(self, session: Session, database: dict[str, Any]) -> None:
        """What `databases` and `database-info` print."""
        assert database["app"]["owner"]["email"] == session.auth.get("/users/self", "user", USER)["email"]
        assert database["app"]["project"]["name"] == "default"
        assert database["app"]["flags"]["dedicated-database"] is True
        details = database["database"]
        assert details["id"] == database["app"]["id"] == database["id"]
        assert details["readable_version"]
        assert details["maintenance_window"]["duration_in_hour"] > 0
        [addon] = session.list_addons(database["name"])  # `--database NAME` needs exactly one
        assert addon["id"].startswith("ad-")
        assert addon["app_id"] == database["id"]
        assert addon["status"] == "running"
        assert addon["addon_provider"]["name"]
        [endpoint] = session.api.get(f"/databases/{database['name']}/endpoints", "endpoints", many(ENDPOINT))
        assert endpoint["type"] == "public-rw"
        assert details["hostname"] == f"{endpoint['hostname']}:{endpoint['port']}"

    def test_env_shows_the_aliases(self, session: Session) -> None:
        made = create(session, addon_provider_id="redis", plan_id="redis-starter-128", name="aliased")
        await_status(session, made["id"], running=True)
        variables = session.api.get("/apps/aliased/variables", "variables", many(VARIABLE), aliases="true")
        values = {each["name"]: each["value"] for each in variables}
        assert values["REDIS_URL"] == "$SCALINGO_REDIS_URL"
        assert values["SCALINGO_REDIS_URL"].startswith("redis://")

    @pytest.mark.parametrize("method", ["POST", "PATCH"])  # the library's versions differ
    def test_users_and_their_passwords(self, session: Session, method: str) -> None:
        made = create(session, addon_provider_id="redis", plan_id="redis-starter-128", name="with-a-user")
        await_status(session, made["id"], running=True)
        addon = session.list_addons("with-a-user")[0]["id"]
        [user] = session.databases("with-a-user", addon).get(
            f"/databases/{addon}/users", "database-users", many(DATABASE_USER)
        )
        path = f"/databases/{addon}/users/{user['name']}/reset_password"
        body = session.databases("with-a-user", addon).request(method, path, 200)
        struct({"database_user": DATABASE_USER})(body, path)
        reset = body["database_user"]
        assert reset["name"] == user["name"]
        await_status(session, made["id"], running=True)
        assert reset["password"] in url_of(session, "with-a-user", "redis")

    def test_other_users(self, session: Session) -> None:
        """`database-users-create`, `-update-password` and `-delete`; the command line makes a password itself."""
        made = create(session, addon_provider_id="influxdb", plan_id="influxdb-starter-512", name="with-users")
        await_status(session, made["id"], running=True)
        addon = session.list_addons("with-users")[0]["id"]
        api, path, password = session.databases("with-users", addon), f"/databases/{addon}/users", "Aa1_-" * 12
        chosen = {"database_id": addon, "password": password, "password_confirmation": password}
        new = {"database_user": {"name": "reporting", "read_only": True, **chosen}}
        assert api.add(path, new, "database_user", DATABASE_USER)["read_only"]
        names = [each["name"] for each in api.get(path, "database-users", many(DATABASE_USER))]
        assert names[1:] == ["reporting"]
        changed = api.request("PATCH", f"{path}/reporting", 200, body={"database_user": chosen})
        struct({"database_user": DATABASE_USER})(changed, path)
        api.request("DELETE", f"{path}/reporting", 204)
        assert len(api.get(path, "database-users", many(DATABASE_USER))) == 1

    def test_backups(self, session: Session) -> None:
        """`backups-create`, `backups`, `backups-config` and `backups-download`."""
        made = create(session, addon_provider_id="redis", plan_id="redis-starter-128", name="backed-up")
        await_status(session, made["id"], running=True)
        addon = session.list_addons("backed-up")[0]["id"]
        api = session.databases("backed-up", addon)
        asked = api.add(f"/databases/{addon}/backups", {}, "database_backup", BACKUP)
        assert (asked["status"], asked["size"], asked["started_at"]) == ("scheduled", None, None)

        def shown() -> dict[str, Any]:
            found: dict[str, Any] = api.get(f"/backups/{asked['id']}", "database_backup", BACKUP)
            return found

        wait_for(lambda: shown()["status"] == "done", lambda: str(shown()), 60)
        [listed] = api.get(f"/databases/{addon}/backups", "database_backups", many(BACKUP))
        link = api.request("GET", f"/databases/{addon}/backups/{listed['id']}/archive", 200)["download_url"]
        content = httpx2.get(link)
        assert (content.status_code, len(content.content)) == (200, listed["size"])
        assert content.content.startswith(b"REDIS")
        change = {"periodic_backups_scheduled_at": 4, "periodic_backups_enabled": True}
        found = api.patch(f"/databases/{addon}", {"database": change}, "database", DETAILS)
        assert found["periodic_backups_scheduled_at"] == [4]

    def test_moments(self, session: Session) -> None:
        """`database-pitr-recovery-window` and `database-pitr-restore`, before there is a backup."""
        made = create(session, addon_provider_id="postgresql", plan_id="postgresql-starter-512", name="with-a-past")
        await_status(session, made["id"], running=True)
        addon = session.list_addons("with-a-past")[0]["id"]
        api = session.databases("with-a-past", addon)
        window = api.request("GET", f"/databases/{addon}/pitr/recovery_window", 200)["recovery_window"]
        assert (window["earliest_recoverable_at"], window["latest_recoverable_at"]) == (None, None)
        body = {"restore_time": "2027-01-15T08:00:00Z"}
        with pytest.raises(Refused) as refused:
            api.request("POST", f"/databases/{addon}/pitr/restore", 201, body=body)
        assert refused.value.status == 422

    def test_a_token_that_only_reads_shows_databases(self, served: Platform, session: Session) -> None:
        made = create(session, addon_provider_id="redis", plan_id="redis-starter-128", name="only-looked-at")
        body = {"token": {"name": "looks", "scope": "read"}}
        reading = log_in(served.url, session.auth.add("/tokens", body, "token", struct(texts("id", "token")))["token"])
        assert reading.search(made["id"])
        with pytest.raises(Refused) as refused:
            reading.api.delete("/apps/only-looked-at", current_name="only-looked-at")
        assert refused.value.status == 403

    def test_projects(self, session: Session) -> None:
        made = session.api.add("/projects", {"project": {"name": "from-the-cli"}}, "project", PROJECT)
        path = f"/projects/{made['id']}"
        renamed = session.api.patch(path, {"project": {"name": "renamed"}}, "project", PROJECT)
        assert (renamed["id"], renamed["name"]) == (made["id"], "renamed")
        assert session.api.get(path, "project", PROJECT)["name"] == "renamed"
        listed = session.api.get("/projects", "projects", many(PROJECT))
        assert [each["name"] for each in listed if each["default"]] == ["default"]
        assert not any(each["flags"].get("private-network") for each in listed)
        session.api.delete(path)
        assert made["id"] not in [each["id"] for each in session.api.get("/projects", "projects", many(PROJECT))]

    def test_timeline(self, session: Session) -> None:
        made = create(session, addon_provider_id="redis", plan_id="redis-starter-128", name="with-a-past")
        for path in ("/events", f"/apps/{made['name']}/events"):
            body = session.api.request("GET", path, 200, query={"page": 1, "per_page": 30})
            struct({"events": many(EVENT), "meta": struct({"pagination": PAGINATION})})(body, path)
            assert "with-a-past" in [each["app_name"] for each in body["events"]]
            assert {each["type"] for each in body["events"]} <= KNOWN_EVENTS
        for resource in ("event_types", "event_categories"):
            assert Go(session.api.base).get(f"/{resource}", resource, many(struct(texts("id", "name"))))

    def test_collaborators(self, served: Platform, session: Session) -> None:
        made = create(session, addon_provider_id="redis", plan_id="redis-starter-128", name="shared-with-one")
        path = f"/apps/{made['name']}/collaborators"
        assert session.api.get(path, "collaborators", many(COLLABORATOR)) == []
        with served.client() as client:
            client.create_account(NewAccount("cleo", "cleo@example.org"))
        body = {"collaborator": {"email": "cleo@example.org", "is_limited": False}}
        added = session.api.add(path, body, "collaborator", COLLABORATOR)
        one = f"{path}/{added['id']}"
        changed = session.api.patch(one, {"collaborator": {"is_limited": True}}, "collaborator", COLLABORATOR)
        assert (changed["id"], changed["is_limited"]) == (added["id"], True)
        assert session.api.get(path, "collaborators", many(COLLABORATOR)) == [changed]
        session.api.delete(one)
        assert session.api.get(path, "collaborators", many(COLLABORATOR)) == []

    @pytest.mark.parametrize("of_addon", [True, False])
    def test_logs_are_dumped_and_followed(self, served: Platform, session: Session, of_addon: bool) -> None:
        name = f"written-by-{'addon' if of_addon else 'app'}"
        made = create(session, addon_provider_id="redis", plan_id="redis-starter-128", name=name)
        await_status(session, made["id"], running=True)
        if of_addon:
            addon = session.list_addons(name)[0]["id"]
            url = session.databases(name, addon).get(f"/databases/{addon}/logs", "url", text)
        else:
            url = session.api.get(f"/apps/{name}/logs", "logs_url", text)
        dumped = Go("").dump(url, 5).splitlines()
        assert 0 < len(dumped) <= 5
        # The client takes the fifth word for the container, in brackets.
        assert {line.split(" ")[4] for line in dumped} == {"[redis-1]"}
        with websocket(
            url.replace("http", "ws", 1) + "&stream=true", origin=Origin("http://scalingo-cli.local/1.48.0")
        ) as logs:
            port = urlsplit(url_of(session, name, "redis")).port
            assert port
            os.kill(served.server(port).pid, signal.SIGKILL)  # it is brought back, and says so
            event = json.loads(logs.recv(timeout=30))
        LOG_EVENT(event, "event")
        assert event["event"] == "log"
        assert event["log"].split(" ")[4] == "[redis-1]"


class TestTerraform:
    """`scalingo_database`: the region has a default name, so its URLs are what counts."""

    @pytest.fixture
    def session(self, served: Platform, token: str) -> Session:
        return log_in(served.url, token, region="osc-fr1")

    def test_from_apply_to_destroy(self, session: Session) -> None:
        plans = sorted(list_plans(session, "redis").values(), key=lambda plan: plan["position"])
        made = create(session, addon_provider_id="redis", plan_id=plans[0]["id"], name="from-terraform")
        # At once: when one search misses, the provider has forgotten the id.
        assert session.search(made["app"]["id"])
        created = await_status(session, made["app"]["id"], running=True)
        self.refresh(session, created)
        self.rename(session, created)
        self.move(session, created)
        self.upgrade(session, created, plans[1])
        session.api.delete(f"/apps/{created['id']}", current_name="from-tf-renamed")
        assert session.search(created["id"]) is None

    def refresh(self, session: Session, created: dict[str, Any]) -> None:
        """Nothing has changed, so `plan` finds nothing to do."""
        again = session.search(created["id"])
        assert again is not None
        assert all(again[key] == created[key] for key in ("id", "name", "technology", "plan", "project_id"))
        assert again["plan"] in list_plans(session, again["technology"])
        assert session.show_app(created["name"])["id"] == created["id"]  # import

    def rename(self, session: Session, created: dict[str, Any]) -> None:
        old = session.show_app(created["id"])["name"]
        before = url_of(session, old, "redis")
        body = {"current_name": old, "new_name": "from-tf-renamed"}
        app = session.api.post(f"/apps/{old}/rename", body, "app", APP)
        assert (app["id"], app["name"]) == (created["id"], "from-tf-renamed")
        found = session.search(created["id"])
        assert found is not None
        assert found["name"] == "from-tf-renamed"
        assert url_of(session, "from-tf-renamed", "redis") == before

    def move(self, session: Session, created: dict[str, Any]) -> None:
        project = session.api.add("/projects", {"project": {"name": "of-terraform"}}, "project", PROJECT)
        moved = session.api.put(f"/apps/{created['id']}", {"project_id": project["id"]}, "app", APP)
        assert moved["project"]["id"] == project["id"]
        found = session.search(created["id"])
        assert found is not None
        assert found["project_id"] == project["id"]
        with pytest.raises(Refused) as refused:
            session.api.delete(f"/projects/{project['id']}")
        assert (refused.value.status, refused.value.body) == (
            409,
            {"error": "Cannot delete project with existing apps"},
        )

    def upgrade(self, session: Session, created: dict[str, Any], plan: dict[str, Any]) -> None:
        before = url_of(session, created["id"], "redis")
        with redis.Redis.from_url(before) as client:
            assert client.set("key", "value")
        addon = session.list_addons(created["id"])[0]
        changed = change_plan(session, created["id"], addon["id"], plan["id"])
        assert (changed["app_id"], changed["plan"]["id"]) == (created["id"], plan["id"])  # both are dereferenced
        await_status(session, created["id"], running=False)
        assert await_status(session, created["id"], running=True)["plan"] == plan["name"]
        assert url_of(session, created["id"], "redis") == before
        with redis.Redis.from_url(before) as client:
            assert client.get("key") == b"value"


class TestOperator:
    def test_from_create_to_delete(self, session: Session) -> None:
        require("postgresql", "17")
        # The plan's name stands where the others send its id.
        body = {"addon_provider_id": "postgresql-ng", "plan_id": "postgresql-dr-starter-4096", "name": "from-operator"}
        made = create(session, **body, ip_range="10.1.2.0/25")
        assert "database" not in made  # half an object there would be read as a database of no type
        network = f"/databases/{made['id']}/network_configuration"
        assert set(session.api.get(network, "network_configuration", NETWORK).values()) == {""}
        found = session.search(made["id"])
        assert found is not None
        self.adapt(found)
        self.list_rules(session, found)
        self.adapt(await_status(session, made["id"], running=True))
        with psycopg.connect(url_of(session, made["id"], "postgresql")) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert session.api.get(f"/databases/{made['id']}/endpoints", "endpoints", many(ENDPOINT))
        assert "postgresql-dr-starter-8192" in list_plans(session, "postgresql-ng")
        session.api.delete(f"/apps/{made['name']}", current_name=made["name"])
        assert session.search(made["id"]) is None

    def list_rules(self, session: Session, database: dict[str, Any]) -> None:
        """Part of every look at a database."""
        addon = session.list_addons(database["name"])[0]["id"]
        client = session.databases(database["name"], addon)
        assert (
            client.get(f"/databases/{addon}/firewall_rules", "rules", many(struct(texts("id", "type", "cidr")))) == []
        )

    def adapt(self, database: dict[str, Any]) -> None:
        assert database["technology"] == "postgresql-ng"
        assert database["database"]["type_name"] == "postgresql"
        assert database["database"]["status"] in OPERATOR_STATUSES


class TestRefusals:
    """A refusal that does not decode hides its reason from the person who asked; `request` checks each body."""

    def test_of_strangers(self, served: Platform) -> None:
        with pytest.raises(Refused) as refused:
            log_in(served.url, "tk-us-wrong")
        assert refused.value.status == 401
        with pytest.raises(Refused) as refused:
            Go(f"{served.url}/v1", "not.a.token").request("GET", "/databases", 200)
        assert refused.value.status == 401

    def test_of_what_is_not_there(self, session: Session) -> None:
        for path, body in (
            ("/apps/nobody-has-this", {"resource": "app", "error": "not found"}),
            ("/apps/nobody-has-this/addons", {"resource": "app", "error": "not found"}),
            ("/databases/nobody-has-this", {"error": "Database not found"}),
        ):
            with pytest.raises(Refused) as refused:
                session.api.request("GET", path, 200)
            assert (refused.value.status, refused.value.body) == (404, body)

    def test_of_what_cannot_be_done_here(self, session: Session) -> None:
        """The command line shows the sentence of a 409."""
        made = create(session, addon_provider_id="redis", plan_id="redis-starter-128", name="just-a-database")
        app, addon = "/apps/just-a-database", f"ad-{made['id']}"
        asked = [
            (session.api, "POST", "/apps", {"app": {"name": "an-app"}}),
            (session.api, "PUT", app, {"force_https": True}),
            (session.api, "DELETE", f"{app}/addons/{addon}", None),
            (session.api, "POST", f"{app}/log_drains", {"drain": {"type": "elk", "url": "tcp://localhost:1"}}),
            (session.api, "POST", f"{app}/variables", {"variable": {"name": "A", "value": "b"}}),
            (session.api, "GET", f"{app}/ps", None),
            (session.api, "POST", f"/databases/{made['id']}/net_peerings", {"outscale_net_peering_id": "pcx-1"}),
            *(
                (session.databases("just-a-database", addon), method, f"/databases/{addon}{path}", body)
                for method, path, body in (
                    ("POST", "/upgrade", {}),
                    ("POST", "/features", {"feature": {"name": "force-ssl"}}),
                    ("GET", "/maintenance", None),
                )
            ),
        ]
        for client, method, path, body in asked:
            with pytest.raises(Refused) as refused:
                client.request(method, path, 200, body=body)
            assert refused.value.status == 409, path
            assert " " in refused.value.body["error"]

    def test_of_wrong_fields(self, session: Session) -> None:
        with pytest.raises(Refused) as refused:
            create(session, addon_provider_id="redis", plan_id="nothing", name="No")
        assert refused.value.status == 422
        assert set(refused.value.body["errors"]) == {"name", "plan"}

    def test_of_a_wrong_confirmation(self, session: Session) -> None:
        made = create(session, addon_provider_id="redis", plan_id="redis-starter-128", name="to-be-kept")
        with pytest.raises(Refused) as refused:
            session.api.delete("/apps/to-be-kept", current_name="another")
        assert refused.value.status == 422
        assert session.search(made["id"])

    def test_an_addon_token_opens_one_database_and_nothing_else(self, session: Session) -> None:
        names = ("opened-by-it", "shut-to-it")
        made = [create(session, addon_provider_id="redis", plan_id="redis-starter-128", name=name) for name in names]
        opened = session.databases(names[0], f"ad-{made[0]['id']}")
        opened.request("GET", f"/databases/ad-{made[0]['id']}", 200)
        for client, path in (
            (opened, f"/databases/ad-{made[1]['id']}"),
            (Go(session.api.base, opened.bearer), "/databases"),
        ):
            with pytest.raises(Refused) as refused:
                client.request("GET", path, 200)
            assert refused.value.status in (401, 403, 404)
