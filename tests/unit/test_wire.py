"""What goes over the wire, as values."""

from __future__ import annotations

import msgspec
import pytest

from dbyard import wire
from dbyard.service.databases.create_request import CreateRequest
from dbyard.web.api.databases import read_create_request
from dbyard.wire.tokens import Token


class TestReadCreateRequest:
    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ({}, CreateRequest()),
            ({"name": "a", "database_name": "b"}, CreateRequest(name="a")),
            ({"name": None, "database_name": "b"}, CreateRequest(name="b")),
            ({"plan": "a", "plan_id": "b"}, CreateRequest(plan="a")),
            ({"plan_id": "b"}, CreateRequest(plan="b")),
            ({"addon_provider_id": "redis"}, CreateRequest(technology="redis")),
            ({"name": False, "plan": 0}, CreateRequest(name=False, plan=0)),
            ({"version": "17", "project_id": "pr-1", "ip_range": "x"}, CreateRequest(version="17", project_id="pr-1")),
        ],
    )
    def test_takes_the_first_key_that_has_a_value(self, fields: dict[str, object], expected: CreateRequest) -> None:
        assert read_create_request(fields) == expected

    def test_reads_what_our_client_sends(self) -> None:
        body = msgspec.json.encode(wire.CreateDatabase(wire.NewDatabase("my-db", "redis", "redis-starter-256")))
        assert body == b'{"database":{"name":"my-db","technology":"redis","plan":"redis-starter-256"}}'
        request = read_create_request(msgspec.json.decode(body)["database"])
        assert request == CreateRequest("my-db", "redis", "redis-starter-256")


class TestSecrets:
    def test_are_not_in_a_repr(self) -> None:
        connection = wire.Connection("redis://default:hush@h:1/0", "h", 1, "default", "hush", "0", "")
        assert "hush" not in repr(connection)
        token = msgspec.json.decode(
            b'{"id":"1","name":"n","created_at":"2027-01-15T08:00:00Z","issued_at":"2027-01-15T08:00:00Z",'
            b'"last_used_at":null,"scope":"read","project_id":null,"expires_at":null,"token":"tk-us-hush"}',
            type=Token,
        )
        assert token.token == "tk-us-hush"
        assert "hush" not in repr(token)
