"""project list, create, rename, default, delete; and `create --project`."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from dbyard import wire
from dbyard.wire.projects import Project, ProjectAnswer, ProjectOwner, ProjectsAnswer

if TYPE_CHECKING:
    from tests.cli.conftest import FakePlatform

Run = Callable[..., Result]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = ProjectOwner("us-1", "me", "me@example.org")
FIRST = Project("pr-1", "default", True, NOW, NOW, OWNER)
SHOP = Project("pr-2", "shop", False, NOW, NOW, OWNER)
# A name that is another one's id: the id comes first.
ODD = Project("pr-3", "pr-2", False, NOW, NOW, OWNER)


@pytest.fixture(autouse=True)
def _known(platform: FakePlatform) -> None:
    platform.on("GET", "/v1/projects", (200, ProjectsAnswer([FIRST, ODD, SHOP])))


def test_list(run: Run) -> None:
    head, first, *_ = run("project", "list").stdout.splitlines()
    assert head.split() == ["NAME", "ID", "DEFAULT", "CREATED"]
    assert first.split()[:3] == ["default", "pr-1", "yes"]
    assert [each["id"] for each in json.loads(run("project", "list", "--json").stdout)] == ["pr-1", "pr-3", "pr-2"]


def test_create_prints_the_id_alone(run: Run, platform: FakePlatform) -> None:
    platform.on("POST", "/v1/projects", (201, ProjectAnswer(SHOP)))
    assert run("project", "create", "shop", "--default").stdout == "pr-2\n"
    ((_, body),) = platform.sent("POST")
    assert json.loads(body) == {"project": {"name": "shop", "default": True}}


@pytest.mark.parametrize("key", ["shop", "pr-2"])
@pytest.mark.parametrize(
    ("arguments", "change"), [(("rename", "KEY", "web"), {"name": "web"}), (("default", "KEY"), {"default": True})]
)
def test_changes(run: Run, platform: FakePlatform, key: str, arguments: tuple[str, ...], change: object) -> None:
    platform.on("PATCH", "/v1/projects/pr-2", (200, ProjectAnswer(SHOP)))
    assert run("project", *(key if each == "KEY" else each for each in arguments)).exit_code == 0
    ((_, body),) = platform.sent("PATCH")
    assert json.loads(body) == {"project": change}


def test_delete(run: Run, platform: FakePlatform) -> None:
    platform.on("DELETE", "/v1/projects/pr-2", (409, wire.Error("Cannot delete project with existing apps")))
    result = run("project", "delete", "shop")
    assert (result.exit_code, "existing apps" in result.stderr) == (5, True)
    result = run("project", "delete", "nothing")
    assert (result.exit_code, "yours are default, pr-2, shop" in result.stderr) == (3, True)


def test_a_database_is_created_in_a_project_by_its_name(
    run: Run, platform: FakePlatform, database: wire.Database
) -> None:
    platform.on("POST", "/v1/databases", (201, wire.DatabaseAnswer(database)))
    arguments = ("create", "my-postgres-db", "-t", "redis", "-p", "redis-starter-256", "--no-wait")
    assert run(*arguments, "--project", "shop").exit_code == 0
    ((_, body),) = platform.sent("POST")
    assert json.loads(body)["database"]["project_id"] == "pr-2"
    assert run(*arguments, "--project", "nothing").exit_code == 3
