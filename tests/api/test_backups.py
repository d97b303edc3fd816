"""Backups over HTTP: what is asked for, told, linked to and refused. Real ones are in the tests of whole platforms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from starlette.testclient import TestClient

from dbyard.archive import objects
from dbyard.archive.stores import open_store
from dbyard.model import Backup, Principal, Verification, VerificationState
from dbyard.service import Service
from dbyard.store import backups
from tests.builders import get_ready, make_backup, seed_body
from tests.conftest import Clock

CONTENT = b"rows and rows " * 100


@pytest.fixture
def database(api: TestClient, service: Service) -> str:
    made: str = api.post("/v1/databases", json=seed_body()).json()["database"]["id"]
    get_ready(service)
    return made


@pytest.fixture
def backup(service: Service, principal: Principal, database: str) -> Backup:
    """One whose content is in the archive."""
    made = make_backup(service, principal, database)
    with service.store.tx() as connection:
        backups.finish(connection, replace(made, size=len(CONTENT), counts={"app.public.t": 3}))
        found = Verification(VerificationState.VERIFIED, service.clock(), 2.5, "restored; 1 counts are the same")
        backups.set_verification(connection, made.id, found)
    key = service.box.derive_key("archive", database)
    open_store(service.archive).put(made.data, objects.pack(key, made.data, [CONTENT], 3))
    return made


def shown(api: TestClient, path: str) -> dict[str, Any]:
    answer = api.get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["database_backup"]
    return found


class TestCreate:
    def test_queues_it(self, api: TestClient, database: str) -> None:
        answer = api.post(f"/api/databases/{database}/backups", json={})
        assert answer.status_code == 201
        made = answer.json()["database_backup"]
        assert (made["status"], made["method"], made["size"], made["started_at"]) == ("scheduled", "manual", None, None)
        assert made["name"].endswith("_my-postgres-db")
        assert [each["kind"] for each in api.get(f"/v1/databases/{database}/operations").json()["operations"]] == [
            "backup",
            "create",
        ]

    def test_of_one_that_never_got_ready(self, api: TestClient) -> None:
        made = api.post("/v1/databases", json=seed_body()).json()["database"]["id"]
        answer = api.post(f"/api/databases/{made}/backups")
        assert (answer.status_code, answer.json()["error"]) == (409, "The database never got ready")

    def test_of_a_technology_without(self, api: TestClient, service: Service) -> None:
        body = seed_body("search", technology="elasticsearch", version="7.17", plan="elasticsearch-starter-512")
        made = api.post("/v1/databases", json=body).json()["database"]["id"]
        get_ready(service)
        answer = api.post(f"/api/databases/{made}/backups")
        assert answer.status_code == 422
        assert "has no backups yet" in answer.json()["errors"]["database"][0]


class TestShow:
    def test_by_its_database_and_alone(self, api: TestClient, database: str, backup: Backup) -> None:
        found = shown(api, f"/api/databases/{database}/backups/{backup.id}")
        assert (
            found
            == shown(api, f"/api/backups/{backup.id}")
            == shown(api, f"/api/databases/ad-{database}/backups/{backup.id}")
        )
        assert (found["status"], found["size"], found["counts"]) == ("done", len(CONTENT), {"app.public.t": 3})
        assert found["verification"] == {
            "state": "verified",
            "duration": 2.5,
            "message": "restored; 1 counts are the same",
        }
        assert api.get(f"/api/databases/{database}/backups").json() == {"database_backups": [found]}

    def test_not_by_another_database(self, api: TestClient, service: Service, backup: Backup) -> None:
        other = api.post("/v1/databases", json=seed_body("another-db")).json()["database"]["id"]
        get_ready(service)
        answer = api.get(f"/api/databases/{other}/backups/{backup.id}")
        assert (answer.status_code, answer.json()["error"]) == (404, "Backup not found")


class TestDelete:
    def test_is_gone_at_once(self, api: TestClient, database: str, backup: Backup) -> None:
        assert api.delete(f"/api/databases/{database}/backups/{backup.id}").status_code == 204
        assert api.get(f"/api/backups/{backup.id}").status_code == 404
        assert api.get(f"/api/databases/{database}/backups").json() == {"database_backups": []}

    def test_not_while_it_is_worked_on(self, api: TestClient, database: str, backup: Backup) -> None:
        path = f"/api/databases/{database}/backups/{backup.id}"
        assert api.post(f"{path}/verify").status_code == 202
        for answer in (api.delete(path), api.post(f"{path}/verify")):
            assert answer.status_code == 409
            assert "being made or proved" in answer.json()["error"]

    def test_not_while_a_new_database_gets_its_data(self, api: TestClient, database: str, backup: Backup) -> None:
        path = f"/api/databases/{database}/backups/{backup.id}"
        assert api.post(f"{path}/restore?into=a-copy-of-it").status_code == 202
        answer = api.delete(path)
        assert answer.status_code == 409
        assert "being made or proved" in answer.json()["error"]


class TestDownload:
    def link(self, api: TestClient, backup: Backup) -> str:
        url: str = api.get(f"/api/databases/{backup.database_id}/backups/{backup.id}/archive").json()["download_url"]
        return url

    def test_without_a_token(self, api: TestClient, anonymous: TestClient, backup: Backup) -> None:
        answer = anonymous.get(self.link(api, backup))
        assert (answer.status_code, answer.content) == (200, CONTENT)
        assert answer.headers["content-length"] == str(len(CONTENT))
        assert answer.headers["content-disposition"].endswith('_my-postgres-db.tar"')

    @pytest.mark.parametrize("start", [0, 1, 700, len(CONTENT) - 1])
    def test_from_a_byte_on(self, api: TestClient, anonymous: TestClient, backup: Backup, start: int) -> None:
        answer = anonymous.get(self.link(api, backup), headers={"Range": f"bytes={start}-"})
        assert (answer.status_code, answer.content) == (206, CONTENT[start:])
        assert answer.headers["content-range"] == f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"

    def test_of_a_span(self, api: TestClient, anonymous: TestClient, backup: Backup) -> None:
        answer = anonymous.get(self.link(api, backup), headers={"Range": "bytes=5-8"})
        assert (answer.status_code, answer.content) == (206, CONTENT[5:9])
        assert answer.headers["content-range"] == f"bytes 5-8/{len(CONTENT)}"

    @pytest.mark.parametrize("wanted", ["bytes=-5", "rows=1-", "bytes=x-", "bytes=0-1,5-6"])
    def test_of_what_is_no_span_is_all_of_it(self, api: TestClient, backup: Backup, wanted: str) -> None:
        answer = api.get(self.link(api, backup), headers={"Range": wanted})
        assert (answer.status_code, answer.content) == (200, CONTENT)

    @pytest.mark.parametrize("wanted", [f"bytes={len(CONTENT)}-", f"bytes={10**17}-", "bytes=8-7"])
    def test_of_no_bytes_that_there_are(self, api: TestClient, backup: Backup, wanted: str) -> None:
        answer = api.get(self.link(api, backup), headers={"Range": wanted})
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(CONTENT)}")

    def test_ends_with_the_hour_and_is_for_one_backup(
        self, api: TestClient, service: Service, principal: Principal, backup: Backup, clock: Clock
    ) -> None:
        link = self.link(api, backup)
        other = make_backup(service, principal, backup.database_id)
        for wrong in (link.replace(backup.id, other.id), link[:-1], link.partition("?")[0]):
            assert api.get(wrong).status_code == 404
        clock.advance(3601)
        assert api.get(link).status_code == 404

    def test_of_one_that_is_not_done(self, api: TestClient, database: str) -> None:
        made = api.post(f"/api/databases/{database}/backups").json()["database_backup"]["id"]
        answer = api.get(f"/api/backups/{made}/archive")
        assert (answer.status_code, answer.json()["error"]) == (
            409,
            "The backup is not done: there is nothing to download",
        )


class TestSchedule:
    def test_is_every_day_at_first(self, api: TestClient, database: str) -> None:
        found = api.get(f"/api/databases/{database}").json()["database"]
        assert (found["periodic_backups_enabled"], found["periodic_backups_scheduled_at"]) == (True, [0])

    @pytest.mark.parametrize("hour", [3, [3]])
    def test_is_changed_in_both_forms(self, api: TestClient, database: str, hour: object) -> None:
        change = {"periodic_backups_enabled": True, "periodic_backups_scheduled_at": hour}
        found = api.patch(f"/api/databases/{database}", json={"database": change}).json()["database"]
        assert (found["periodic_backups_enabled"], found["periodic_backups_scheduled_at"]) == (True, [3])
        off = api.patch(f"/api/databases/{database}", json={"database": {"periodic_backups_enabled": False}})
        assert off.json()["database"]["periodic_backups_enabled"] is False
        assert off.json()["database"]["periodic_backups_scheduled_at"] == []

    @pytest.mark.parametrize(
        "change",
        [
            {},
            {"periodic_backups_scheduled_at": 24},
            {"periodic_backups_scheduled_at": [1, 2]},
            {"periodic_backups_scheduled_at": True},
            {"periodic_backups_enabled": "yes"},
            {"maintenance_window": {"weekday_utc": 1}},
        ],
        ids=msgspec.json.encode,
    )
    def test_is_not_changed_by_nonsense(self, api: TestClient, database: str, change: object) -> None:
        assert api.patch(f"/api/databases/{database}", json={"database": change}).status_code == 422
