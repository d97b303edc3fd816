"""`/api/databases`: which server stands behind a database, what it may use, and what its disk allows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard import catalogue
from dbyard.model import MIB, OperationKind, Restriction, Usage
from dbyard.service import Service
from dbyard.store import instances, operations
from dbyard.web.scalingo.encoding.database_types import version_id
from tests.builders import claim, fail, get_ready, open_account, seed_body
from tests.conftest import Clock, World


@pytest.fixture
def made(api: TestClient) -> dict[str, Any]:
    database: dict[str, Any] = api.post("/v1/databases", json=seed_body()).json()["database"]
    return database


def describe(api: TestClient, key: str) -> dict[str, Any]:
    answer = api.get(f"/api/databases/{key}")
    assert answer.status_code == 200, answer.text
    database: dict[str, Any] = answer.json()["database"]
    return database


def restrict(service: Service, database_id: str, restriction: Restriction, reason: str | None) -> None:
    with service.store.tx() as connection:
        instance = instances.get_primary(connection, database_id)
        assert instance is not None
        instances.set_restriction(connection, instance.id, restriction, reason, service.clock())


class TestDescribe:
    def test_by_id_name_and_addon_id(self, api: TestClient, made: dict[str, Any]) -> None:
        found = [describe(api, key) for key in (made["id"], made["name"], f"ad-{made['id']}")]
        assert found[0] == found[1] == found[2]
        assert found[0]["id"] == made["id"]

    def test_says_which_server_really_answers(self, api: TestClient) -> None:
        body = seed_body("my-mysql-db", technology="mysql", plan="mysql-starter-512")
        made = api.post("/v1/databases", json=body).json()["database"]
        found = describe(api, made["id"])
        assert found["type_name"] == "mysql"
        assert found["readable_version"] == "9.7.1 (MySQL 9.7 LTS)"
        assert found["server"]["name"] == "MySQL 9.7 LTS"
        assert found["server"]["full_version"] == "9.7.1"

    def test_says_what_holds_each_limit(self, api: TestClient, made: dict[str, Any]) -> None:
        assert describe(api, made["id"])["limits"] == {
            "memory": {"bytes": 512 * MIB, "hard_bytes": 704 * MIB, "held_by": "cgroup v2"},
            "cpu": {"cores": 1.0, "held_by": "cgroup v2"},
            "processes": {"held_by": "none"},
            "connections": {"count": 30, "held_by": "the server's settings"},
            "disk": {"bytes": 10240 * MIB, "held_by": "watched by the platform"},
        }

    def test_says_what_keeps_it_from_others(self, api: TestClient, made: dict[str, Any]) -> None:
        assert describe(api, made["id"])["isolation"] == {
            "sandbox": "bubblewrap",
            "network": "no outgoing connections",
            "ports": "its own",
            "uid": "one per instance",
        }

    def test_says_how_it_stands_with_backups(self, api: TestClient, made: dict[str, Any]) -> None:
        assert describe(api, made["id"])["backups"] == {
            "state": "ok",
            "last_at": None,
            "proved_at": None,
            "message": None,
        }

    def test_before_it_is_placed(self, api: TestClient, made: dict[str, Any]) -> None:
        found = describe(api, made["id"])
        assert (found["status"], found["hostname"], found["instances"]) == ("creating", None, [])
        assert found["current_operation_id"]

    def test_once_it_runs(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        get_ready(service)
        found = describe(api, made["id"])
        assert (found["status"], found["hostname"], found["current_operation_id"]) == (
            "running",
            "127.0.0.1:20017",
            None,
        )
        assert [each["port"] for each in found["instances"]] == [20017]
        assert found["instances"][0]["status"] == "running"

    def test_when_it_never_got_ready(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        """In a word that clients know, with the reason beside it."""
        fail(service, "init_failed", "broken")
        found = describe(api, made["id"])
        assert (found["status"], found["error"]) == ("stopped", "broken")

    def test_while_its_plan_changes_and_ten_seconds_from_then_on(
        self, api: TestClient, service: Service, made: dict[str, Any], clock: Clock
    ) -> None:
        get_ready(service)
        with service.store.tx() as connection:
            operation = operations.insert(connection, made["id"], OperationKind.HEAL, clock())
            connection.execute("UPDATE operation SET kind = 'resize' WHERE id = ?", (operation,))
        clock.advance(60)
        assert describe(api, made["id"])["status"] == "updating"
        with service.store.tx() as connection:
            connection.execute("UPDATE operation SET status = 'done' WHERE id = ?", (operation,))
        assert describe(api, made["id"])["status"] == "running"
        clock.now -= 51
        assert describe(api, made["id"])["status"] == "updating"

    def test_of_an_offer(self, api: TestClient) -> None:
        body = seed_body("my-dr-db", technology="postgresql-ng", plan="postgresql-dr-starter-4096")
        made = api.post("/v1/databases", json=body).json()["database"]
        assert made["technology"] == "postgresql-ng"
        found = describe(api, made["id"])
        assert (found["type_name"], found["plan"]) == ("postgresql", "postgresql-dr-starter-4096")
        assert found["limits"]["connections"]["count"] == 400

    def test_has_a_maintenance_window_that_stays(self, api: TestClient, made: dict[str, Any]) -> None:
        window = describe(api, made["id"])["maintenance_window"]
        assert window["weekday_utc"] in range(7)
        assert (window["starting_hour_utc"], window["duration_in_hour"]) == (21, 8)
        assert describe(api, made["id"])["maintenance_window"] == window

    def test_of_an_unknown_one(self, api: TestClient) -> None:
        for key in ("nobodys-db", "ad-nobodys-db", "ad-"):
            answer = api.get(f"/api/databases/{key}")
            assert (answer.status_code, answer.json()) == (404, {"error": "Database not found"})


class TestDisk:
    def test_with_space(self, api: TestClient, made: dict[str, Any], world: World) -> None:
        world.disk_used = 100 * MIB
        disk = describe(api, made["id"])["disk"]
        assert disk == {
            "used": 100 * MIB,
            "limit": 10240 * MIB,
            "restriction": "none",
            "reason": None,
            "restricted_at": None,
        }

    def test_warns_from_85_percent_on(self, api: TestClient, made: dict[str, Any], world: World) -> None:
        world.disk_used = 8704 * MIB
        disk = describe(api, made["id"])["disk"]
        assert disk["restriction"] == "none"
        assert disk["reason"] == "85 % of its disk is used; it becomes read-only at 95 %"

    def test_says_since_when_and_why_it_is_restricted(
        self, api: TestClient, service: Service, made: dict[str, Any], clock: Clock
    ) -> None:
        get_ready(service)
        clock.advance(5)
        restrict(service, made["id"], Restriction.READ_ONLY, "96 % of its disk is used")
        disk = describe(api, made["id"])["disk"]
        assert (disk["restriction"], disk["reason"]) == ("read_only", "96 % of its disk is used")
        assert disk["restricted_at"] == "2027-01-15T08:00:05Z"

    def test_a_closed_database_has_no_url(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        get_ready(service)
        path = f"/v1/databases/{made['id']}/connection"
        restrict(service, made["id"], Restriction.READ_ONLY, "96 % of its disk is used")
        assert api.get(path).status_code == 200
        restrict(service, made["id"], Restriction.CLOSED, "101 % of its disk is used")
        answer = api.get(path)
        assert answer.status_code == 409
        assert answer.json() == {
            "error": "The database is closed: 101 % of its disk is used",
            "current_operation_id": None,
        }


class TestMetrics:
    def test_in_the_documented_shape(self, api: TestClient, made: dict[str, Any], world: World) -> None:
        world.disk_used = 40 * MIB
        world.usages = [Usage(10.0, 20 * MIB, 30 * MIB, 0), Usage(10.05, 21 * MIB, 30 * MIB, 0)]
        answer = api.get(f"/api/databases/{made['id']}/metrics").json()
        (instance,) = answer["instances_metrics"].values()
        assert 0 < answer["cpu_usage"] <= 50
        assert answer["real_disk_size"] == instance["real_disk_size"] == 40 * MIB
        assert answer["memory"]["memory"] == answer["memory"]["memory_usage"] == 21 * MIB
        assert answer["memory"]["memory_max"] == 30 * MIB
        assert answer["memory"]["memory_limit"] == 704 * MIB
        assert instance["cpu"] == {"usage_in_percents": answer["cpu_usage"]}
        assert instance["memory"] == answer["memory"]
        assert answer["database_stats"] == {}

    def test_of_a_server_that_does_not_answer(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        get_ready(service)
        answer = api.get(f"/api/databases/{made['id']}/metrics")
        assert answer.status_code == 200
        assert answer.json()["database_stats"] == {}
        assert answer.json()["cpu_usage"] == 0


def test_a_restriction_does_not_make_a_database_unusable(
    api: TestClient, service: Service, made: dict[str, Any]
) -> None:
    """Its operation is at work for an instant, and the URL works all the time."""

    get_ready(service)
    with service.store.tx() as connection:
        operations.insert(connection, made["id"], OperationKind.CONFIGURE, service.clock())
    claim(service)
    assert api.get(f"/v1/databases/{made['id']}/connection").status_code == 200
    assert describe(api, made["id"])["status"] == "running"
    assert api.get(f"/v1/databases/{made['id']}/operations").json()["operations"][0]["kind"] == "configure"


class TestParts:
    def test_the_one_instance_in_a_bare_list(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        path = f"/api/databases/ad-{made['id']}/instances_status"
        assert api.get(path).json() == []
        get_ready(service)
        (instance,) = api.get(path).json()
        assert instance == {
            "id": describe(api, made["id"])["instances"][0]["id"],
            "type": "db-node",
            "status": "running",
            "role": "leader",
        }

    def test_the_plan(self, api: TestClient, made: dict[str, Any]) -> None:
        plan = api.get(f"/api/databases/{made['id']}/plan").json()["plan"]
        assert (plan["name"], plan["memory"], plan["disk"]) == ("postgresql-starter-512", 512, 10240)
        kept = ("backup", "daily_scheduled_backups", "weekly_scheduled_backups", "monthly_scheduled_backups")
        assert [plan[each] for each in kept] == [True, 7, 4, 0]
        assert (plan["manual_backups_count"], plan["pitr_backup_days"]) == (10, 7)

    def test_an_operation_that_is_done_has_finished(
        self, api: TestClient, service: Service, made: dict[str, Any]
    ) -> None:
        operation_id = describe(api, made["id"])["current_operation_id"]
        paths = [f"/api/databases/{made['id']}/operations/{operation_id}", f"/api/operations/{operation_id}"]
        assert [api.get(path).json()["operation"]["status"] for path in paths] == ["pending", "pending"]
        get_ready(service)
        for path in paths:
            operation = api.get(path).json()["operation"]
            assert (operation["id"], operation["type"], operation["status"]) == (operation_id, "create", "finished")
            assert operation["finished_at"] == "2027-01-15T08:00:00Z"

    def test_an_operation_of_somebody_else(self, api: TestClient, service: Service, made: dict[str, Any]) -> None:
        operation_id = describe(api, made["id"])["current_operation_id"]
        foreign = {"Authorization": f"Bearer {open_account(service, 'mallory')}"}
        for known in (operation_id, "unknown"):
            answer = api.get(f"/api/operations/{known}", headers=foreign)
            assert (answer.status_code, answer.json()) == (404, {"error": "Operation not found"})
        other = api.post("/v1/databases", json=seed_body("another-db")).json()["database"]
        assert api.get(f"/api/databases/{other['id']}/operations/{operation_id}").status_code == 404


class TestTypes:
    def test_are_found_by_what_a_database_says(self, api: TestClient, made: dict[str, Any]) -> None:
        found = describe(api, made["id"])
        named = api.get(f"/api/database_types/{found['type_id']}").json()
        assert named == api.get("/api/database_types/postgresql").json()
        assert named["database_type"]["name"] == "postgresql"
        assert named["database_type"] in api.get("/api/database_types").json()["database_types"]
        version = api.get(f"/api/database_type_versions/{found['version_id']}").json()["database_type_version"]
        assert (version["id"], version["database_type_id"]) == (found["version_id"], found["type_id"])
        assert (version["major"], version["minor"], version["next_upgrade"]) == (17, 1, None)
        assert version["created_at"] == version["updated_at"] == "2026-09-21T14:13:20Z"

    def test_a_version_that_is_not_installed_has_no_date(self, api: TestClient, world: World) -> None:
        world.missing.add(("postgresql", "15"))
        (technology,) = [each for each in catalogue.load().all if each.slug == "postgresql"]
        (version,) = [each for each in technology.versions if each.version == "15"]
        found = api.get(f"/api/database_type_versions/{version_id(technology, version)}").json()
        assert found["database_type_version"]["created_at"] is None
        assert found["database_type_version"]["major"] == 15

    def test_a_plan_by_its_name(self, api: TestClient, made: dict[str, Any]) -> None:
        plan = api.get(f"/api/databases/{made['id']}/plan").json()
        assert api.get(f"/api/plans/{plan['plan']['name']}?type=postgresql").json() == plan
        assert api.get(f"/api/plans/{plan['plan']['id']}").json() == plan
        assert api.get("/api/plans/oracle-huge").json() == {"error": "Plan not found"}

    def test_unknown_ones(self, api: TestClient) -> None:
        assert api.get("/api/database_types/oracle").status_code == 404
        assert api.get("/api/database_type_versions/oracle").status_code == 404

    def test_the_certificate_of_the_home(self, anonymous: TestClient, service: Service) -> None:
        answer = anonymous.get("/api/ca_certificate")
        assert answer.headers["content-type"] == "application/x-pem-file"
        assert answer.text == service.authority.pem


DATES = re.compile(r"(_at|_until)$")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
WALKED = (
    "/v1/databases",
    "/v1/databases/{id}/endpoints",
    "/v1/apps",
    "/v1/apps/{id}",
    "/v1/apps/{id}/addons",
    "/v1/apps/{id}/addons/ad-{id}",
    "/v1/apps/{id}/operations/{operation}",
    "/v1/addon_providers",
    "/v1/addon_providers/postgresql-ng/plans",
    "/api/databases/ad-{id}",
    "/api/databases/ad-{id}/operations/{operation}",
    "/api/database_types",
    "/api/database_type_versions/{version}",
)


def walk(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    yield key, value
    for inner, each in value.items() if isinstance(value, dict) else ():
        yield from walk(each, inner)
    for each in value if isinstance(value, list) else ():
        yield from walk(each, key)


@pytest.mark.parametrize("ready", [False, True])
def test_strict_clients_can_read_every_answer(
    api: TestClient, service: Service, made: dict[str, Any], ready: bool
) -> None:
    """Go's decoder refuses a whole answer for one date or number of another shape."""
    operation = describe(api, made["id"])["current_operation_id"]
    if ready:
        get_ready(service)
    names = {"id": made["id"], "operation": operation, "version": describe(api, made["id"])["version_id"]}
    for path in WALKED:
        answer = api.get(path.format(**names))
        assert answer.status_code == 200, path
        for key, value in walk(answer.json()):
            if DATES.search(key) and key != "periodic_backups_scheduled_at":
                assert value is None or RFC3339.fullmatch(value), (path, key, value)
            if key in ("position", "port", "major", "minor", "patch", "weekday_utc", "starting_hour_utc"):
                assert type(value) is int, (path, key, value)
            if key == "flags" and path.startswith("/v1/"):
                assert all(type(each) is bool for each in (value.values() if isinstance(value, dict) else [value]))
            if key == "next_upgrade":
                assert value is None or isinstance(value, dict)
            if key in ("status", "name", "plan_id", "technology", "type_name", "readable_version"):
                assert isinstance(value, str), (path, key, value)
    found = describe(api, made["id"])
    assert all(type(each) is int for each in found["periodic_backups_scheduled_at"])
    assert all(set(each) == {"name", "status"} for each in found["features"])
    assert found["status"] in ("creating", "running", "updating", "migrating", "upgrading", "stopped")
