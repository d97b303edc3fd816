"""token create, list, revoke."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from click.testing import Result

from dbyard import wire

if TYPE_CHECKING:
    from tests.cli.conftest import Platform

Run = Callable[..., Result]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MADE = wire.Token("t-1", "ci", NOW, NOW, None, "tk-us-new")
KEPT = wire.Token("t-1", "ci", NOW, NOW, None)


def test_create_prints_the_value_alone(run: Run, platform: Platform) -> None:
    platform.on("POST", "/v1/tokens", (201, wire.TokenAnswer(MADE)))
    assert run("token", "create", "ci").stdout == "tk-us-new\n"
    ((_, body),) = platform.sent("POST")
    assert json.loads(body) == {"token": {"name": "ci"}}


def test_create_json_is_the_apis_object(run: Run, platform: Platform) -> None:
    platform.on("POST", "/v1/tokens", (201, wire.TokenAnswer(MADE)))
    assert json.loads(run("token", "create", "ci", "--json").stdout)["token"] == "tk-us-new"


def test_list(run: Run, platform: Platform) -> None:
    platform.on("GET", "/v1/tokens", (200, wire.TokensAnswer([KEPT])))
    head, row = run("token", "list").stdout.splitlines()
    assert head.split() == ["ID", "NAME", "CREATED", "LAST", "USED"]
    assert row.split() == ["t-1", "ci", "2026-01-01", "00:00:00Z", "-"]
    assert [each["id"] for each in json.loads(run("token", "list", "--json").stdout)] == ["t-1"]


def test_revoke(run: Run, platform: Platform) -> None:
    platform.on("DELETE", "/v1/tokens/t-1", (204, None))
    assert run("token", "revoke", "t-1").exit_code == 0
    assert run("token", "revoke", "t-2").exit_code == 3
