"""Whose word on the address of a client is believed: that of a proxy that was named, and of nobody else."""

from __future__ import annotations

from collections.abc import Sequence

import httpx2
import pytest

from dbyard.metrics import Metrics
from dbyard.service import Service
from dbyard.web.app import create_app
from tests.api.serving import serving


def ask(service: Service, trusted: Sequence[str], *addresses: str) -> list[int]:
    """What requests without a token get that say to come from these addresses; three a minute are allowed."""
    with serving(create_app(service, Metrics(), rate_limit=3), trusted) as server:
        url = f"http://{server.address}/v1/databases"
        return [httpx2.get(url, headers={"X-Forwarded-For": each}).status_code for each in addresses]


def test_a_client_cannot_hide_behind_other_addresses(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    assert ask(service, [], *(f"10.0.0.{number}" for number in range(5))) == [401, 401, 401, 429, 429]


def test_nor_behind_a_proxy_that_is_another(service: Service) -> None:
    assert ask(service, ["10.0.0.0/8"], *(f"10.0.0.{number}" for number in range(4))) == [401, 401, 401, 429]


def test_a_named_proxy_is_believed(service: Service) -> None:
    assert ask(service, ["127.0.0.1"], *(f"10.0.0.{number}" for number in range(5))) == [401] * 5
    assert ask(service, ["127.0.0.0/8"], *["10.0.0.1"] * 4) == [401, 401, 401, 429]


def test_what_a_client_put_before_its_own_address_is_not(service: Service) -> None:
    forged = [f"192.0.2.{number}, 10.0.0.1" for number in range(4)]
    assert ask(service, ["127.0.0.1"], *forged) == [401, 401, 401, 429]
