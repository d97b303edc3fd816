"""One tenant's requests, however slow its server is, leave threads to everybody else's."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse

from dbyard.errors import NotFound
from dbyard.model import Principal
from dbyard.polling import wait_until
from dbyard.service import Service
from dbyard.service.databases import backups, logs, metrics, stats
from dbyard.store import operations
from dbyard.web.app import DOWNLOADS, THREADS, THREADS_FOR_ONE_ACCOUNT, THREADS_FOR_ONE_DATABASE
from dbyard.web.scalingo import database_users, details
from tests.builders import claim, get_ready, make_backup, open_account, seed_body

MANY = 16


@pytest.fixture
def made(api: TestClient, service: Service) -> dict[str, Any]:
    database: dict[str, Any] = api.post("/v1/databases", json=seed_body()).json()["database"]
    get_ready(service)
    return database


def write(api: TestClient, number: int) -> int:
    """What somebody else does meanwhile."""
    return api.post("/v1/projects", json={"project": {"name": f"project-{number}"}}).status_code


def test_downloads_from_an_archive_that_does_not_answer(
    api: TestClient, service: Service, principal: Principal, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    may, asked = threading.Event(), threading.Semaphore(0)

    def read(*_: object) -> Iterator[bytes]:
        asked.release()
        may.wait(60)
        yield b"0123456789"

    monkeypatch.setattr(backups, "_read", read)
    backup = make_backup(service, principal, made["id"])
    link = urlsplit(api.get(f"/api/backups/{backup.id}/archive").json()["download_url"])
    with ThreadPoolExecutor(MANY) as pool:
        answers = [pool.submit(api.get, f"{link.path}?{link.query}") for _ in range(MANY)]
        for _ in range(DOWNLOADS):
            assert asked.acquire(timeout=30)
        assert [write(api, number) for number in range(3)] == [201] * 3
        may.set()
        assert [each.result(60).content for each in answers] == [b"0123456789"] * MANY


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


def test_metrics_again_and_again_open_no_more_files(
    api: TestClient, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state file is opened once for each thread that answers requests, and for none that ask a server."""
    monkeypatch.setattr(stats, "_ask", lambda *_: {"connections": 7})
    before = count_open("dbyard.db")
    for _ in range(3 * THREADS):
        assert api.get(f"/api/databases/{made['name']}/metrics").status_code == 200
    assert count_open("dbyard.db") <= before + THREADS


def test_smaller_plans_for_a_server_that_does_not_answer(
    api: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each waits for its server, and all of them for no more threads than one database may have."""
    body = seed_body("held-db", technology="redis", plan="redis-starter-512")
    made = api.post("/v1/databases", json=body).json()["database"]
    get_ready(service)
    may, lock, now, most = threading.Event(), threading.Lock(), 0, 0

    def ask(*_: object) -> dict[str, int]:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        may.wait(60)
        with lock:
            now -= 1
        return {"memory_used": 2**40}

    monkeypatch.setattr(stats, "ask", ask)
    change = f"/v1/apps/{made['id']}/addons/ad-{made['id']}", {"addon": {"plan": "redis-starter-256"}}
    with ThreadPoolExecutor(MANY) as pool:
        answers = [pool.submit(api.patch, change[0], json=change[1]) for _ in range(MANY)]
        assert wait_until(lambda: now == THREADS_FOR_ONE_DATABASE, 60)
        assert [write(api, number) for number in range(3)] == [201] * 3
        may.set()
        assert [each.result(60).status_code for each in answers] == [422] * MANY
    assert most == THREADS_FOR_ONE_DATABASE


def test_a_stranger_takes_no_places_of_a_database(
    api: TestClient, made: dict[str, Any], service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = {"Authorization": f"Bearer {open_account(service, 'stranger')}"}
    may, asked, begin = threading.Event(), threading.Semaphore(0), metrics.begin

    def begin_slowly(service: Service, principal: Any, key: str) -> metrics.Measuring:
        if principal.account.username == "stranger":
            asked.release()
            may.wait(60)
        return begin(service, principal, key)

    monkeypatch.setattr(metrics, "begin", begin_slowly)
    path = f"/api/databases/{made['name']}/metrics"
    with ThreadPoolExecutor(MANY) as pool:
        answers = [pool.submit(api.get, path, headers=stranger) for _ in range(MANY)]
        for _ in range(THREADS_FOR_ONE_DATABASE):
            assert asked.acquire(timeout=30)
        assert api.get(path).status_code == 200
        assert not asked.acquire(blocking=False), "it has more threads than its share"
        may.set()
        assert [each.result(60).status_code for each in answers] == [404] * MANY


def test_who_has_no_link_to_a_log_gets_no_thread(
    anonymous: TestClient, made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "read_link", lambda *_: pytest.fail("it was read"))
    del anonymous.headers["Authorization"]
    monkeypatch.setattr(logs, "follow_link", lambda *_: pytest.fail("it was followed"))
    for query in ("", "?token=", "?token=a.b.c"):
        path = f"/api/databases/{made['id']}/logs/lines{query}"
        assert anonymous.get(path).status_code == 404
        assert refuse_socket(anonymous, path) == 404


def test_who_opens_many_websockets_takes_no_more_than_a_share(
    api: TestClient, made: dict[str, Any], service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = urlsplit(api.get(f"/api/databases/{made['id']}/logs").json()["url"])
    other = {"Authorization": f"Bearer {open_account(service, 'other')}"}
    may, asked = threading.Event(), threading.Semaphore(0)

    def follow(*_: object) -> logs.FollowedLog:
        asked.release()
        may.wait(60)
        raise NotFound("no more")

    monkeypatch.setattr(logs, "follow_link", follow)
    with ThreadPoolExecutor(MANY) as pool:
        answers = [pool.submit(refuse_socket, api, f"{url.path}?{url.query}") for _ in range(MANY)]
        for _ in range(THREADS_FOR_ONE_ACCOUNT):
            assert asked.acquire(timeout=30)
        assert api.post("/v1/projects", json={"project": {"name": "theirs"}}, headers=other).status_code == 201
        assert not asked.acquire(blocking=False), "it has more threads than its share"
        may.set()
        assert [each.result(60) for each in answers] == [404] * MANY


def test_resets_that_wait_for_their_operations(
    api: TestClient, made: dict[str, Any], service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than there are threads, each on its own database."""
    monkeypatch.setattr(database_users, "_CHANGE_SECONDS", 60.0)
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


def refuse_socket(api: TestClient, path: str) -> int:
    """The status of the answer that a websocket gets instead."""
    with pytest.raises(WebSocketDenialResponse) as refused, api.websocket_connect(path):
        raise AssertionError("it was accepted")
    return refused.value.status_code


def count_open(name: str) -> int:
    """How many times this process has a file of that name open."""
    found = 0
    for handle in os.listdir("/proc/self/fd"):
        try:
            found += Path(os.readlink(f"/proc/self/fd/{handle}")).name == name
        except FileNotFoundError:
            continue  # closed since the listing
    return found
