"""SIGTERM ends the platform within 5 seconds, whatever runs and whoever is connected; databases go on."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest

from tests.e2e import tenants
from tests.e2e.platforms import Platform, new_database

END_SECONDS = 10.0
"""The promise is 5 seconds; a busy machine gets twice that."""


@contextmanager
def holding(home: Platform, sent: bytes, count: int = 20) -> Iterator[None]:
    """Clients that have sent so much and wait."""
    parts = urlsplit(home.url)
    with ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.create_connection((parts.hostname or "", parts.port or 0), 5))
            client.sendall(sent)
        yield


class TestSigterm:
    @pytest.mark.parametrize(
        "sent",
        [
            b"",
            b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST /v1/databases HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %b\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
        ],
        ids=["silent", "idle", "in the middle of a body"],
    )
    def test_while_clients_hold_connections(self, fresh: Platform, sent: bytes) -> None:
        fresh.start()
        token = (fresh.home / "admin-token").read_bytes().strip()
        with holding(fresh, sent.replace(b"%b", token)):
            assert fresh.terminate() < END_SECONDS

    def test_while_operations_run(self, fresh: Platform) -> None:
        fresh.start()
        names = [f"busy-db-{number}" for number in range(8)]
        with fresh.client() as client:
            for name in names:
                client.create_database(new_database(name, "postgresql"))
            assert fresh.terminate() < END_SECONDS
        fresh.start()
        urls = [fresh.await_usable(name, seconds=60).url for name in names]
        assert all(tenants.answers("postgresql", url) for url in urls)

    def test_twice_is_no_worse(self, fresh: Platform) -> None:
        fresh.start()
        assert fresh.process is not None
        fresh.process.send_signal(signal.SIGINT)
        assert fresh.terminate() < END_SECONDS
