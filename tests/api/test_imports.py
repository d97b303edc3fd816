"""Imports over HTTP: what is uploaded, refused and told. Real loads are in the tests of whole platforms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard.archive import objects, uploads
from dbyard.archive.stores import open_store
from dbyard.errors import NotReady
from dbyard.model import MIB, EventType
from dbyard.service import Service
from dbyard.service.databases import imports
from dbyard.store import operations
from tests.builders import get_ready, seed_body

DUMP = b"CREATE TABLE t (i int);\n" * 5000
BYTES = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def content(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """What is in the database."""
    found: dict[str, int] = {}
    monkeypatch.setattr(imports, "_count", lambda *_: dict(found))
    return found


@pytest.fixture
def database(api: TestClient, service: Service, content: dict[str, int]) -> str:
    made: str = api.post("/v1/databases", json=seed_body()).json()["database"]["id"]
    get_ready(service)
    return made


def send(api: TestClient, database: str, dump: bytes | Iterator[bytes] = DUMP, **query: str) -> Any:
    return api.post(f"/v1/databases/{database}/imports", content=dump, params=query, headers=BYTES)


def kept(service: Service) -> list[str]:
    return [name for name in open_store(service.archive).list() if name.startswith(f"{uploads.DIRECTORY}/")]


class TestCreate:
    def test_keeps_the_dump_sealed_and_queues_it(self, api: TestClient, service: Service, database: str) -> None:
        answer = send(api, database, iter([DUMP[:7], DUMP[7:]]))
        assert answer.status_code == 202, answer.text
        made = answer.json()["database_import"]
        assert (made["status"], made["size"], made["replace"], made["check"]) == ("pending", len(DUMP), False, False)
        (name,) = kept(service)
        key = service.box.derive_key("archive", database)
        stored = open_store(service.archive).read(name)
        assert b"".join(objects.unpack(key, name, stored, uploads.LEVEL)) == DUMP
        assert api.get(f"/v1/databases/{database}/imports/{made['id']}").json()["database_import"] == made
        assert api.get(f"/v1/databases/{database}/imports").json()["database_imports"] == [made]
        events = api.get(f"/v1/databases/{database}/events").json()["events"]
        assert [each["data"]["size"] for each in events if each["type"] == EventType.IMPORT_ASKED] == [len(DUMP)]

    def test_into_one_that_is_not_empty(
        self, api: TestClient, service: Service, database: str, content: dict[str, int]
    ) -> None:
        content |= {"app.public.bill": 3, "app.public.none": 0}
        answer = send(api, database)
        assert answer.status_code == 409
        assert "it has app.public.bill (3). With `replace`" in answer.json()["error"]
        assert kept(service) == []
        assert send(api, database, check="true").status_code == 202

    def test_in_the_place_of_what_is_there(self, api: TestClient, database: str, content: dict[str, int]) -> None:
        content["app.public.bill"] = 3
        assert send(api, database, replace="true").json()["database_import"]["replace"] is True
        assert api.get(f"/v1/databases/{database}/imports").json()["content"] == content

    def test_is_one_at_a_time(self, api: TestClient, service: Service, database: str) -> None:
        first = send(api, database).json()["database_import"]
        assert send(api, database).json() == {"error": "Another restore or import is at work on the database"}
        assert len(kept(service)) == 1
        cancel = api.post(f"/v1/databases/{database}/operations/{first['id']}/cancel")
        assert cancel.status_code == 202

    @pytest.mark.parametrize("announced", [True, False])
    def test_of_too_much(
        self, api: TestClient, service: Service, database: str, announced: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(imports, "_most", lambda *_: MIB)
        dump = bytes(3 * MIB)
        answer = send(api, database, dump if announced else iter([dump]))
        assert answer.status_code == 413
        assert answer.json()["error"].startswith("The dump should have at most 1 MB")
        assert kept(service) == []

    def test_of_nothing(self, api: TestClient, service: Service, database: str) -> None:
        assert send(api, database, b"").status_code == 422
        assert kept(service) == []

    def test_of_a_form(self, api: TestClient, database: str) -> None:
        answer = api.post(f"/v1/databases/{database}/imports", files={"dump": DUMP})
        assert answer.status_code == 415

    def test_of_a_technology_without(self, api: TestClient, service: Service) -> None:
        body = {"name": "my-other-db", "technology": "influxdb", "plan": "influxdb-starter-512"}
        made = api.post("/v1/databases", json=body).json()["database"]["id"]
        assert send(api, made).status_code == 422
        assert kept(service) == []

    def test_of_one_that_never_got_ready(self, api: TestClient) -> None:
        made = api.post("/v1/databases", json=seed_body()).json()["database"]["id"]
        assert send(api, made).json() == {"error": "The database never got ready"}

    def test_while_the_archive_is_not_there(self, api: TestClient, service: Service, database: str) -> None:
        Path(service.archive.directory, ".dbyard-archive").unlink()
        answer = send(api, database)
        assert answer.status_code == 503
        assert "is not mounted" in answer.json()["error"]

    def test_of_one_whose_server_is_silent(
        self, api: TestClient, database: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def silent(*_: object) -> dict[str, int]:
            raise NotReady("nothing")

        monkeypatch.setattr(imports, "_count", silent)
        assert send(api, database).status_code == 503
        assert api.get(f"/v1/databases/{database}/imports").json()["content"] is None


class TestShow:
    def test_tells_how_it_ended(self, api: TestClient, service: Service, database: str) -> None:
        made = send(api, database).json()["database_import"]
        report = {"form": "SQL", "size": 12, "owners": ["a"], "left_out": {"GRANT": 1}, "refused": ["no"]}
        with service.store.tx() as connection:
            operation = operations.claim(connection, service.clock(), 4)
            while operation is not None and operation.id != made["id"]:
                operation = operations.claim(connection, service.clock(), 4)
            assert operation is not None
            following = operations.advance(
                connection, operation, "load", service.clock(), "done", "", {"report": report, "counts": {"app.t": 2}}
            )
            assert following is not None
            operations.fail(connection, following, service.clock(), "bad_dump", "the dump cannot be loaded: line 1")
        found = api.get(f"/v1/databases/{database}/imports/{made['id']}").json()["database_import"]
        assert (found["status"], found["error"]) == ("error", "the dump cannot be loaded: line 1")
        assert found["report"]["owners"] == ["a"]
        assert found["report"]["source"] is None
        assert found["counts"] == {"app.t": 2}

    def test_of_another_database(self, api: TestClient, service: Service, database: str) -> None:
        made = send(api, database).json()["database_import"]
        other = api.post("/v1/databases", json=seed_body("my-second-db")).json()["database"]["id"]
        assert api.get(f"/v1/databases/{other}/imports/{made['id']}").status_code == 404
        assert api.get(f"/v1/databases/{database}/imports/none").status_code == 404
