"""The arguments of the programs that `dbyard connect` becomes."""

from __future__ import annotations

import pytest

from dbyard import engines, wire

SIX = "postgresql://u_1:pw@[::1]:20001/u_1"
LOGINS = {
    "postgresql": wire.Connection(SIX, "::1", 20001, "u_1", "pw", "u_1", ""),
    "mysql": wire.Connection("mysql://u_1:pw@127.0.0.1:20002/u_1", "127.0.0.1", 20002, "u_1", "pw", "u_1", ""),
    "redis": wire.Connection("rediss://default:pw@127.0.0.1:20003/0", "127.0.0.1", 20003, "default", "pw", "0", ""),
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("postgresql", ["postgresql://u_1@[::1]:20001/u_1"]),
        ("mysql", ["--no-defaults", "--protocol=tcp", "--host=127.0.0.1", "--port=20002", "--user=u_1", "u_1"]),
        ("redis", ["-h", "127.0.0.1", "-p", "20003", "--user", "default", "-n", "0", "--tls"]),
    ],
)
def test_lead_there_without_the_password(name: str, expected: list[str]) -> None:
    client = engines.load_client(name)
    assert client is not None
    assert client.client_arguments(LOGINS[name]) == expected
