"""Moments over HTTP: which can be restored, and what is refused. Real ones are in the tests of whole platforms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard.model import JournalMark, OperationKind, Principal
from dbyard.model.times import to_datetime
from dbyard.service import Service
from dbyard.store import backups, instances, journals, operations
from tests.builders import claim, get_ready, make_backup, seed_body
from tests.conftest import Clock


@pytest.fixture
def database(api: TestClient, service: Service) -> str:
    made: str = api.post("/v1/databases", json=seed_body()).json()["database"]["id"]
    get_ready(service)
    return made


@pytest.fixture
def archived(service: Service, principal: Principal, database: str, clock: Clock) -> tuple[float, float]:
    """There is a backup, and its journal for ten minutes: the moments when they ended."""
    made, mark = make_backup(service, principal, database), JournalMark("7000-1", 100)
    clock.now += 600
    with service.store.tx() as connection:
        instance = instances.get_primary(connection, database)
        assert instance is not None
        journal = journals.begin(connection, database, instance.id, mark, made.created_at)
        assert journals.begin(connection, database, instance.id, mark, clock.now) == journal
        backups.set_started(connection, replace(made, journal=journal, position=mark.position))
        (span,) = journals.list_for(connection, database)
        journals.advance(connection, span.id, 5000, clock.now)
    assert made.finished_at is not None
    return made.finished_at, clock.now


def ask(api: TestClient, database: str, at: float, query: str = "") -> Any:
    body = {"restore_time": to_datetime(at).isoformat()}
    return api.post(f"/api/databases/{database}/pitr/restore{query}", json=body)


class TestWindow:
    def test_is_empty_before_the_first_backup(self, api: TestClient, database: str) -> None:
        found = api.get(f"/api/databases/{database}/pitr/recovery_window").json()["recovery_window"]
        empty: dict[str, object] = {"earliest_recoverable_at": None, "latest_recoverable_at": None, "intervals": []}
        assert found == empty | {"days": 7, "trouble": None}
        assert api.get(f"/api/databases/{database}").json()["database"]["first_pitr_backup"] is None

    def test_goes_from_a_backup_to_the_end_of_its_journal(
        self, api: TestClient, database: str, archived: tuple[float, float]
    ) -> None:
        window = api.get(f"/api/databases/{database}/pitr/recovery_window").json()["recovery_window"]
        times = [window["earliest_recoverable_at"], window["latest_recoverable_at"]]
        assert times == [to_datetime(at).isoformat().replace("+00:00", "Z") for at in archived]
        assert api.get(f"/api/databases/{database}").json()["database"]["first_pitr_backup"] == times[0]

    def test_of_others_there_is_none(self, api: TestClient) -> None:
        body = {"database": {"name": "only-backups", "technology": "redis", "plan": "redis-starter-128"}}
        assert api.post("/v1/databases", json=body).status_code == 201
        for answer in (
            api.get("/api/databases/only-backups/pitr/recovery_window"),
            ask(api, "only-backups", 1.8e9),
        ):
            assert answer.status_code == 422
            assert "of Redis there are backups only" in answer.text


class TestRestore:
    def test_answers_as_both_kinds_of_clients_read_it(
        self, api: TestClient, service: Service, database: str, archived: tuple[float, float]
    ) -> None:
        answer = ask(api, database, archived[0] + 10)
        assert answer.status_code == 201
        asked = answer.json()
        assert asked["operation_id"] == asked["operation"]["id"]
        shown = api.get(f"/api/databases/{database}/backup_restorations/{asked['operation_id']}").json()
        assert (shown["method"], shown["status"]) == ("pitr", "pending")
        assert ask(api, database, archived[0] + 10).status_code == 409
        with service.store.read() as reading:
            operation = operations.get(reading, asked["operation_id"])
        assert operation is not None
        assert (operation.params["until"], operation.params["reach"]) == (archived[0] + 10, archived[1])

    def test_makes_a_new_database(
        self, api: TestClient, service: Service, database: str, archived: tuple[float, float]
    ) -> None:
        answer = ask(api, database, archived[0] + 10, "?into=a-copy")
        assert (answer.status_code, answer.json()["database"]["name"]) == (201, "a-copy")
        with service.store.read() as reading:
            ((made, _),) = operations.list_for(reading, answer.json()["database"]["id"])
        assert (made.kind, made.params["until"]) == (OperationKind.CREATE, archived[0] + 10)

    def test_is_not_one_of_another_servers_data(
        self, api: TestClient, service: Service, database: str, archived: tuple[float, float]
    ) -> None:
        """A restore has replaced what was there, and an undo has put it back."""
        with service.store.read() as reading:
            primary = instances.get_primary(reading, database)
        assert primary is not None
        for previous, to, at in ((primary.id, "other", archived[0] + 10), ("other", primary.id, archived[0] + 60)):
            with service.store.tx() as connection:
                operations.insert(
                    connection, database, OperationKind.SWITCH, service.clock(), params={"instance_id": to}
                )
            operation = claim(service)
            with service.store.tx() as connection:
                operations.finish(connection, operation, service.clock(), {"previous": previous, "pointed_at": at})
        assert ask(api, database, archived[0] + 30).status_code == 422
        assert (
            len(api.get(f"/api/databases/{database}/pitr/recovery_window").json()["recovery_window"]["intervals"]) == 2
        )
        assert ask(api, database, archived[0] + 70).status_code == 201

    def test_has_finished_when_the_switch_has_that_it_ends_with(
        self, api: TestClient, service: Service, database: str, archived: tuple[float, float]
    ) -> None:
        restore_id = ask(api, database, archived[0] + 10).json()["operation_id"]
        restore = claim(service)
        with service.store.tx() as connection:
            switch_id = operations.insert(connection, database, OperationKind.SWITCH, service.clock())
            operations.finish(connection, restore, service.clock(), {"switch": switch_id})
        paths = (
            f"/api/databases/{database}/operations/{restore_id}",
            f"/api/operations/{restore_id}",
            f"/v1/apps/{database}/operations/{restore_id}",
        )
        for path in paths:
            shown = api.get(path).json()["operation"]
            assert (shown["id"], shown["type"], shown["status"]) == (restore_id, "restore", "pending")
            assert shown["finished_at"] is None
        switch = claim(service)
        with service.store.tx() as connection:
            operations.fail(connection, switch, service.clock(), "start_failed", "the server does not start")
        for path in paths:
            shown = api.get(path).json()["operation"]
            assert (shown["id"], shown["status"], shown["error"]) == (restore_id, "error", "the server does not start")

    def test_outside_is_refused_with_what_there_is(
        self, api: TestClient, database: str, archived: tuple[float, float]
    ) -> None:
        for at in (archived[0] - 1, archived[1] + 1):
            answer = ask(api, database, at)
            assert answer.status_code == 422
            (said,) = answer.json()["errors"]["restore_time"]
            assert all(to_datetime(each).isoformat()[:19] in said for each in archived)

    @pytest.mark.parametrize("body", [{}, {"restore_time": "yesterday"}, {"restore_time": 5}])
    def test_a_time_that_is_none_is_refused(self, api: TestClient, database: str, body: dict[str, object]) -> None:
        answer = api.post(f"/api/databases/{database}/pitr/restore", json=body)
        assert (answer.status_code, list(answer.json()["errors"])) == (422, ["restore_time"])
