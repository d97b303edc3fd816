"""`PATCH /v1/apps/{app}/addons/{addon}`: another plan."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard.model import EventType, OperationKind
from dbyard.service import Service
from dbyard.store import operations
from dbyard.web.scalingo import addons
from tests.builders import claim, get_ready, seed_body
from tests.conftest import Clock, World

PLAN = "postgresql-starter-1024"


@pytest.fixture
def made(api: TestClient, service: Service) -> dict[str, Any]:
    """A database that runs."""
    database: dict[str, Any] = api.post("/v1/databases", json=seed_body()).json()["database"]
    get_ready(service)
    return database


def change(api: TestClient, made: dict[str, Any], body: object) -> Any:
    return api.patch(f"/v1/apps/{made['name']}/addons/ad-{made['id']}", json=body)


def status(api: TestClient, made: dict[str, Any]) -> str:
    found: str = api.get(f"/api/databases/ad-{made['id']}").json()["database"]["status"]
    return found


def finish(service: Service) -> None:
    operation = claim(service)
    with service.store.tx() as connection:
        operations.finish(connection, operation, service.clock())


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("key", ["plan_id", "plan"])
@pytest.mark.parametrize("by", ["id", "name"])
def test_takes_every_shape_that_clients_send(
    api: TestClient, made: dict[str, Any], wrapped: bool, key: str, by: str
) -> None:
    plans = api.get("/v1/addon_providers/postgresql/plans").json()["plans"]
    wanted = {key: next(plan[by] for plan in plans if plan["name"] == PLAN)}
    answer = change(api, made, {"addon": wanted} if wrapped else wanted)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    addon = api.get(f"/v1/apps/{made['name']}/addons/ad-{made['id']}").json()["addon"]
    assert body == {
        "addon": addon,
        "message": f"my-postgres-db has the plan {PLAN}",
        "variables": ["SCALINGO_POSTGRESQL_URL", "DATABASE_URL"],
        "vars": ["SCALINGO_POSTGRESQL_URL", "DATABASE_URL"],
    }
    assert (addon["plan"]["name"], addon["app_id"]) == (PLAN, made["id"])
    assert api.get(f"/v1/databases/{made['id']}").json()["database"]["plan"] == PLAN


def test_does_not_run_for_ten_seconds_whoever_looks(
    api: TestClient, made: dict[str, Any], service: Service, clock: Clock
) -> None:
    assert status(api, made) == "running"
    change(api, made, {"plan": PLAN})
    assert status(api, made) == "updating"
    path = f"/v1/databases/{made['id']}/connection"
    assert api.get(path).json()["error"] == "The database gets another plan"
    finish(service)
    assert (status(api, made), api.get(path).status_code) == ("updating", 200)
    clock.advance(11)
    assert status(api, made) == "running"


def test_of_the_plan_that_it_has_is_nothing(api: TestClient, made: dict[str, Any]) -> None:
    assert change(api, made, {"plan": made["plan"]}).status_code == 200
    assert status(api, made) == "running"


def test_waits_its_turn(api: TestClient, made: dict[str, Any]) -> None:
    change(api, made, {"plan": PLAN})
    answer = change(api, made, {"plan": "postgresql-starter-2048"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (409, "1")
    details = api.get(f"/api/databases/{made['id']}").json()["database"]
    assert answer.json()["current_operation_id"] == details["current_operation_id"]
    assert details["plan"] == PLAN


def heal(service: Service, made: dict[str, Any]) -> str:
    with service.store.tx() as connection:
        return operations.insert(connection, made["id"], OperationKind.HEAL, service.clock())


def test_takes_the_place_of_a_heal_that_pauses(api: TestClient, made: dict[str, Any], service: Service) -> None:
    """A server that cannot live with its plan is healed for ever."""
    healing = heal(service, made)
    assert change(api, made, {"plan": PLAN}).status_code == 200
    assert status(api, made) == "updating"
    operation = api.get(f"/v1/apps/{made['name']}/operations/{healing}").json()["operation"]
    assert (operation["status"], operation["error"]) == ("error", "another operation took its place")


def test_runs_after_it_took_the_place_of_a_heal(
    api: TestClient, made: dict[str, Any], service: Service, clock: Clock
) -> None:
    """Not as that heal ended, which no other operation of the database comes after."""
    heal(service, made)
    change(api, made, {"plan": PLAN})
    finish(service)
    clock.advance(11)
    assert status(api, made) == "running"
    assert api.get(f"/v1/apps/{made['name']}").json()["app"]["status"] == "running"


def test_that_fails_leaves_a_server_that_it_had_not_stopped(
    api: TestClient, made: dict[str, Any], service: Service, clock: Clock
) -> None:
    change(api, made, {"plan": PLAN})
    operation = claim(service)
    with service.store.tx() as connection:
        operations.fail(connection, operation, clock(), "broken", "it broke")
    clock.advance(11)
    assert status(api, made) == "running"


def test_waits_for_a_heal_at_work(
    api: TestClient, made: dict[str, Any], service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addons, "_PAUSE_SECONDS", 0.1)
    healing = heal(service, made)
    operation = claim(service)
    answer = change(api, made, {"plan": PLAN})
    assert (answer.status_code, answer.json()["current_operation_id"]) == (409, healing)
    monkeypatch.setattr(addons, "_PAUSE_SECONDS", 30)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(change, api, made, {"plan": PLAN})
        with service.store.tx() as connection:
            assert operations.retry(connection, operation, service.clock() + 10, service.clock(), "no", "not yet")
        assert asked.result().status_code == 200


def test_says_what_does_not_fit(api: TestClient, made: dict[str, Any], service: Service, world: World) -> None:
    change(api, made, {"plan": PLAN})
    finish(service)
    world.disk_used = 10_000 * 1024 * 1024
    answer = change(api, made, {"plan": made["plan"]})
    assert (answer.status_code, answer.json()) == (
        422,
        {
            "errors": {
                "plan": ["is too small: the database takes 10000 MB on disk, and postgresql-starter-512 has 10240 MB"]
            }
        },
    )


@pytest.mark.parametrize("plan", [None, 7, "", "redis-starter-128"])
def test_refuses_what_is_no_plan_of_it(api: TestClient, made: dict[str, Any], plan: object) -> None:
    answer = change(api, made, {"addon": {"plan_id": plan}})
    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["plan"])


def test_of_another_addon(api: TestClient, made: dict[str, Any]) -> None:
    answer = api.patch(f"/v1/apps/{made['name']}/addons/ad-other", json={"plan": PLAN})
    assert (answer.status_code, answer.json()) == (404, {"resource": "addon", "error": "not found"})


def test_is_told(api: TestClient, made: dict[str, Any], service: Service) -> None:
    change(api, made, {"plan": PLAN})
    with service.store.read() as connection:
        told = connection.execute("SELECT type, data FROM event ORDER BY seq DESC LIMIT 1").fetchone()
    assert told["type"] == EventType.DATABASE_RESIZED
    assert PLAN in told["data"]
    assert made["plan"] in told["data"]
