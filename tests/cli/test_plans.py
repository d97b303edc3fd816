"""plans."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from click.testing import Result

from dbyard.wire import Error
from dbyard.wire import catalogue as wire

if TYPE_CHECKING:
    from tests.cli.conftest import FakePlatform

Run = Callable[..., Result]
PLAN = wire.Plan(
    "a" * 24, "redis-starter-256", "Starter 256M", "One node", 1, wire.PlanProperties(256, 512, 1024, 100, 0.5)
)


def test_plans(run: Run, platform: FakePlatform) -> None:
    platform.on("GET", "/v1/addon_providers/redis/plans", (200, wire.PlansAnswer([PLAN])))
    row = run("plans", "redis").stdout.splitlines()[1]
    assert row.split() == ["redis-starter-256", "Starter", "256M", "256", "1024", "100", "0.5", "One", "node"]
    assert json.loads(run("plans", "redis", "--json").stdout)[0]["name"] == "redis-starter-256"


def test_unknown_technology(run: Run, platform: FakePlatform) -> None:
    platform.on("GET", "/v1/addon_providers/oracle/plans", (404, Error("Addon provider not found")))
    result = run("plans", "oracle")
    assert result.exit_code == 3
    assert "Addon provider not found" in result.stderr
