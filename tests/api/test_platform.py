"""`/healthz` and `/metrics` in process."""

from __future__ import annotations

import re

from starlette.testclient import TestClient

import dbyard
from dbyard.service import Service
from tests.builders import open_account, seed_body


def sample(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, name
    return float(found[1])


class TestHealth:
    def test_answers(self, anonymous: TestClient) -> None:
        assert anonymous.get("/healthz").json() == {
            "status": "ok",
            "version": dbyard.__version__,
            "unknown_instances": 0,
        }


class TestMetrics:
    def test_count_what_there_is_and_what_was_asked(self, api: TestClient) -> None:
        api.post("/v1/databases", json=seed_body())
        api.get("/v1/databases")
        api.get("/v1/databases")
        answer = api.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        text = answer.text
        assert sample(text, 'dbyard_databases{plan="postgresql-starter-512",technology="postgresql"}') == 1
        assert sample(text, 'dbyard_operations{kind="create",status="pending"}') == 1
        assert sample(text, 'dbyard_http_requests_total{method="GET",path="/v1/databases",status="200"}') == 2
        assert sample(text, 'dbyard_http_request_seconds_count{path="/v1/databases"}') == 3
        assert sample(text, "process_resident_memory_bytes") > 0

    def test_strangers_cannot_make_new_series(self, api: TestClient) -> None:
        for number in range(5):
            api.request(f"FROB{number}", f"/nowhere/{number}")
        text = api.get("/metrics").text
        assert sample(text, 'dbyard_http_requests_total{method="other",path="(unknown)",status="404"}') == 5

    def test_are_for_admins(self, api: TestClient, service: Service) -> None:
        answer = api.get("/metrics", headers={"Authorization": f"Bearer {open_account(service, 'other')}"})
        assert answer.status_code == 403
        assert list(answer.json()) == ["error"]
