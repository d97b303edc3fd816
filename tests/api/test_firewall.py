"""`/api/databases/{database}/firewall_rules`: there are none, and nobody is told otherwise."""

from __future__ import annotations

from starlette.testclient import TestClient

from tests.builders import seed_body

PATH = "/api/databases/my-postgres-db/firewall_rules"
RULE = {"type": "custom_range", "cidr": "192.0.2.0/24", "label": "office"}


class TestFirewall:
    def test_has_no_rules(self, api: TestClient) -> None:
        made = api.post("/v1/databases", json=seed_body()).json()["database"]
        for path in (PATH, f"/api/databases/ad-{made['id']}/firewall_rules"):
            answer = api.get(path)
            assert (answer.status_code, answer.json()) == (200, {"rules": []})

    def test_refuses_a_rule_that_nothing_would_enforce(self, api: TestClient) -> None:
        api.post("/v1/databases", json=seed_body())
        answer = api.post(PATH, json=RULE)
        assert answer.status_code == 409
        assert "listens on" in answer.json()["error"]
        assert api.get(PATH).json() == {"rules": []}

    def test_of_no_database(self, api: TestClient) -> None:
        for answer in (api.get(PATH), api.post(PATH, json=RULE)):
            assert (answer.status_code, answer.json()) == (404, {"error": "Database not found"})
