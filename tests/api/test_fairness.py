"""One tenant's requests, however slow its server is, leave threads to everybody else's."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard.polling import wait_until
from dbyard.service import Service
from dbyard.service.databases import stats
from dbyard.store import operations
from dbyard.web.scalingo import database_users, details
from tests.builders import claim, get_ready, seed_body

MANY = 16


@pytest.fixture
def made(api: TestClient, service: Service) -> dict[str, Any]:
    database: dict[str, Any] = api.post("/v1/databases", json=seed_body()).json()["database"]
    get_ready(service)
    return database


def write(api: TestClient, number: int) -> int:
    """What somebody else does meanwhile."""
    return api.post("/v1/projects", json={"project": {"name": f"project-{number}"}}).status_code


def test_metrics_of_a_server_that_does_not_answer(
    api: TestClient, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one whose tenant makes a table that takes minutes: nothing here waits for its answer."""
    may, asked = threading.Event(), threading.Semaphore(0)

    def ask(*_: object) -> dict[str, int]:
        asked.release()
        may.wait(60)
        return {}

    monkeypatch.setattr(stats, "_ask", ask)
    with ThreadPoolExecutor(MANY) as pool:
        answers = [pool.submit(api.get, f"/api/databases/{made['name']}/metrics") for _ in range(MANY)]
        assert asked.acquire(timeout=30)
        assert [write(api, number) for number in range(3)] == [201] * 3
        assert [each.result(60).status_code for each in answers] == [200] * MANY
        assert not may.is_set()
        assert not asked.acquire(blocking=False), "it is asked by one thread only"
        may.set()


def test_metrics_of_many_servers_that_do_not_answer(
    api: TestClient, made: dict[str, Any], service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than there are threads."""
    may, asked = threading.Event(), threading.Semaphore(0)

    def ask(*_: object) -> dict[str, int]:
        asked.release()
        may.wait(60)
        return {"connections": 7}

    monkeypatch.setattr(stats, "_ask", ask)
    monkeypatch.setattr(details, "_ANSWER_SECONDS", 60.0)
    names = [made["name"], *(f"silent-{number}-db" for number in range(MANY - 1))]
    for name in names[1:]:
        assert api.post("/v1/databases", json=seed_body(name)).status_code == 201
        get_ready(service)
    with ThreadPoolExecutor(MANY) as pool:
        answers = [pool.submit(api.get, f"/api/databases/{name}/metrics") for name in names]
        for _ in names:
            assert asked.acquire(timeout=30)
        assert [write(api, number) for number in range(3)] == [201] * 3
        assert not any(each.done() for each in answers)
        may.set()
        assert [each.result(60).status_code for each in answers] == [200] * MANY


def test_resets_that_wait_for_their_operations(
    api: TestClient, made: dict[str, Any], service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than there are threads, each on its own database."""
    monkeypatch.setattr(database_users, "_RESET_SECONDS", 60.0)
    names = [made["name"], *(f"reset-{number}-db" for number in range(MANY - 1))]
    for name in names[1:]:
        assert api.post("/v1/databases", json=seed_body(name)).status_code == 201
        get_ready(service)
    users = {name: api.get(f"/api/databases/{name}/users").json()["database-users"][0]["name"] for name in names}

    def reset(name: str) -> Any:
        return api.post(f"/api/databases/{name}/users/{users[name]}/reset_password", json={})

    with ThreadPoolExecutor(MANY) as pool:
        answers = [pool.submit(reset, name) for name in names]
        assert wait_until(lambda: count_active(service) == MANY, 60)
        assert write(api, 0) == 201
        assert not any(each.done() for each in answers)
        for _ in names:
            operation = claim(service)
            with service.store.tx() as connection:
                operations.finish(connection, operation, service.clock())
        assert [each.result(60).status_code for each in answers] == [200] * MANY


def count_active(service: Service) -> int:
    with service.store.read() as connection:
        return sum(n for (_, status), n in operations.count_by_status(connection).items() if status == "pending")
