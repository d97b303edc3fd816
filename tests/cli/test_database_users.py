"""database-users against a server that answers as the platform does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from dbyard import wire
from dbyard.wire.database_users import DatabaseUser, DatabaseUsersAnswer, PasswordAnswer, UserWithPassword

if TYPE_CHECKING:
    from tests.cli.conftest import FakePlatform

Run = Callable[..., Result]
OWNER = DatabaseUser("app_1234", False, True, {}, None)
READER = DatabaseUser("reporting", True, False, {}, "the server does not let it in")
URL = "postgresql://reporting:s3cret@127.0.0.1:10001/app_1234"


def answer(error: str | None = None, operation: str | None = None) -> PasswordAnswer:
    fields = ("reporting", True, False, dict[str, str](), error, "s3cret")
    return PasswordAnswer(*fields, UserWithPassword(*fields), URL, operation)


@pytest.fixture
def users(platform: FakePlatform, database: wire.Database) -> str:
    """The path of the database's users."""
    platform.on("GET", f"/v1/databases/{database.name}", (200, wire.DatabaseAnswer(database)))
    return f"/api/databases/{database.id}/users"


def test_list(run: Run, platform: FakePlatform, users: str, database: wire.Database) -> None:
    platform.on("GET", users, (200, DatabaseUsersAnswer([OWNER, READER])))
    lines = run("database-users", "list", database.name).stdout.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [["app_1234", "writes", "yes"], ["reporting", "reads", "the"]]
    found = json.loads(run("database-users", "list", database.name, "--json").stdout)
    assert [each["name"] for each in found] == ["app_1234", "reporting"]


def test_create_prints_the_url_alone(run: Run, platform: FakePlatform, users: str, database: wire.Database) -> None:
    platform.on("POST", users, (201, answer()))
    result = run("database-users", "create", database.name, "reporting", "--read-only")
    assert (result.stdout, result.stderr) == (f"{URL}\n", "")
    ((_, body),) = platform.sent("POST")
    assert json.loads(body) == {"database_user": {"name": "reporting", "read_only": True}}


def test_a_password_is_asked_for_and_not_shown(
    run: Run, platform: FakePlatform, users: str, database: wire.Database
) -> None:
    platform.on("POST", users, (201, answer()))
    chosen = "chosen-0123456789-0123456"
    result = run("database-users", "create", database.name, "reporting", "--password", input=f"{chosen}\n{chosen}\n")
    assert chosen not in result.output
    ((_, body),) = platform.sent("POST")
    assert json.loads(body)["database_user"]["password"] == chosen


def test_what_is_not_so_yet_is_said(run: Run, platform: FakePlatform, users: str, database: wire.Database) -> None:
    platform.on("POST", users, (201, answer("no way in", "op-1")))
    said = run("database-users", "create", database.name, "reporting").stderr
    assert "reporting cannot log in: no way in" in said
    assert "does not have it yet" in said


def test_reset_password(run: Run, platform: FakePlatform, users: str, database: wire.Database) -> None:
    platform.on("POST", f"{users}/reporting/reset_password", (200, answer()))
    assert run("database-users", "reset-password", database.name, "reporting").stdout == f"{URL}\n"
    as_json = run("database-users", "reset-password", database.name, "reporting", "--json")
    assert json.loads(as_json.stdout)["url"] == URL


def test_remove(run: Run, platform: FakePlatform, users: str, database: wire.Database) -> None:
    platform.on("DELETE", f"{users}/reporting", (204, None))
    result = run("database-users", "remove", database.name, "reporting")
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"reporting is no user of {database.name} any more" in result.stderr
