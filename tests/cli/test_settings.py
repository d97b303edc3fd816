"""settings against a server that answers as the platform does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from dbyard.wire.settings import Setting, SettingsAnswer

if TYPE_CHECKING:
    from tests.cli.conftest import FakePlatform

Run = Callable[..., Result]
PATH = "/v1/databases/my-db/settings"
POLICY = Setting("maxmemory-policy", "allkeys-lru", "noeviction", "When it is full", ["noeviction", "allkeys-lru"], "")
EVENTS = Setting("notify-keyspace-events", "", "", "Which are told", [], "[a-z]*")


@pytest.fixture
def chosen(platform: FakePlatform) -> FakePlatform:
    for method in ("GET", "PATCH"):
        platform.on(method, PATH, (200, SettingsAnswer([POLICY, EVENTS], None)))
    return platform


class TestSettings:
    def test_table(self, run: Run, chosen: FakePlatform) -> None:
        result = run("settings", "my-db")
        lines = [line.split() for line in result.stdout.splitlines()]
        assert result.exit_code == 0
        assert lines[1][:5] == ["maxmemory-policy", "allkeys-lru", "noeviction", "noeviction", "allkeys-lru"]
        assert lines[2][:4] == ["notify-keyspace-events", "-", "-", "[a-z]*"]
        assert not chosen.sent("PATCH")

    def test_changes(self, run: Run, chosen: FakePlatform) -> None:
        result = run("settings", "my-db", "maxmemory-policy=allkeys-lru", "--default", "notify-keyspace-events")
        assert result.exit_code == 0, result.stderr
        ((_, body),) = chosen.sent("PATCH")
        assert json.loads(body) == {"settings": {"maxmemory-policy": "allkeys-lru", "notify-keyspace-events": None}}

    def test_an_empty_value(self, run: Run, chosen: FakePlatform) -> None:
        run("settings", "my-db", "notify-keyspace-events=")
        ((_, body),) = chosen.sent("PATCH")
        assert json.loads(body) == {"settings": {"notify-keyspace-events": ""}}

    def test_says_when_the_server_does_not_have_them_yet(self, run: Run, platform: FakePlatform) -> None:
        platform.on("PATCH", PATH, (200, SettingsAnswer([POLICY], "op-1")))
        assert "does not have them yet" in run("settings", "my-db", "maxmemory-policy=allkeys-lru").stderr

    def test_json(self, run: Run, chosen: FakePlatform) -> None:
        assert json.loads(run("settings", "my-db", "--json").stdout)["settings"][0]["value"] == "allkeys-lru"

    def test_none_to_choose(self, run: Run, platform: FakePlatform) -> None:
        platform.on("GET", PATH, (200, SettingsAnswer([], None)))
        result = run("settings", "my-db")
        assert (result.stdout, "no settings to choose" in result.stderr) == ("", True)

    @pytest.mark.parametrize("change", ["maxmemory-policy", "=x"])
    def test_what_is_no_change(self, run: Run, chosen: FakePlatform, change: str) -> None:
        result = run("settings", "my-db", change)
        assert (result.exit_code, "is not NAME=VALUE" in result.stderr) == (2, True)
