"""token create, list, renew, revoke."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from dbyard.wire import tokens
from dbyard.wire.projects import Project, ProjectOwner, ProjectsAnswer

if TYPE_CHECKING:
    from tests.cli.conftest import FakePlatform

Run = Callable[..., Result]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MADE = tokens.Token("t-1", "ci", NOW, NOW, None, "admin", None, None, "tk-us-new")
KEPT = tokens.Token("t-1", "ci", NOW, NOW, None, "read", "pr-1", NOW)


def test_create_prints_the_value_alone(run: Run, platform: FakePlatform) -> None:
    platform.on("POST", "/v1/tokens", (201, tokens.TokenAnswer(MADE)))
    assert run("token", "create", "ci").stdout == "tk-us-new\n"
    ((_, body),) = platform.sent("POST")
    assert json.loads(body) == {"token": {"name": "ci"}}


def test_create_with_less(run: Run, platform: FakePlatform) -> None:
    platform.on("POST", "/v1/tokens", (201, tokens.TokenAnswer(MADE)))
    owner = ProjectOwner("us-1", "ann", "ann@example.org")
    platform.on("GET", "/v1/projects", (200, ProjectsAnswer([Project("pr-1", "shop", False, NOW, NOW, owner)])))
    assert run("token", "create", "ci", "--scope", "read", "--project", "shop", "--expires", "30d").exit_code == 0
    ((_, body),) = platform.sent("POST")
    sent = {"name": "ci", "scope": "read", "project_id": "pr-1", "expires_in": 30 * 86400}
    assert json.loads(body) == {"token": sent}


@pytest.mark.parametrize("expires", ["30", "d", "-1d", "1.5h", "1y", "0d1"])
def test_durations_have_a_form(run: Run, platform: FakePlatform, expires: str) -> None:
    result = run("token", "create", "ci", "--expires", expires)
    assert result.exit_code == 2
    assert "30d" in result.stderr
    assert platform.sent("POST") == []


def test_renew_prints_the_value_alone(run: Run, platform: FakePlatform) -> None:
    platform.on("PATCH", "/v1/tokens/t-1/renew", (200, tokens.TokenAnswer(MADE)))
    assert run("token", "renew", "t-1").stdout == "tk-us-new\n"
    assert run("token", "renew", "t-2").exit_code == 3


def test_create_json_is_the_apis_object(run: Run, platform: FakePlatform) -> None:
    platform.on("POST", "/v1/tokens", (201, tokens.TokenAnswer(MADE)))
    assert json.loads(run("token", "create", "ci", "--json").stdout)["token"] == "tk-us-new"


def test_list(run: Run, platform: FakePlatform) -> None:
    platform.on("GET", "/v1/tokens", (200, tokens.TokensAnswer([KEPT])))
    head, row = run("token", "list").stdout.splitlines()
    assert head.split() == ["ID", "NAME", "SCOPE", "PROJECT", "CREATED", "LAST", "USED", "EXPIRES"]
    assert row.split() == ["t-1", "ci", "read", "pr-1", "2026-01-01", "00:00:00Z", "-", "2026-01-01", "00:00:00Z"]
    assert [each["id"] for each in json.loads(run("token", "list", "--json").stdout)] == ["t-1"]


def test_revoke(run: Run, platform: FakePlatform) -> None:
    platform.on("DELETE", "/v1/tokens/t-1", (204, None))
    assert run("token", "revoke", "t-1").exit_code == 0
    assert run("token", "revoke", "t-2").exit_code == 3
