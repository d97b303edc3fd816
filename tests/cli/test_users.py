"""user create, list, disable, enable, password."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from click.testing import Result

from dbyard import wire
from dbyard.wire.accounts import Account, AccountAnswer, AccountsAnswer

if TYPE_CHECKING:
    from tests.cli.conftest import FakePlatform

Run = Callable[..., Result]
KEPT = Account("us-1", "ann", "ann@example.org", False, None)
MADE = Account("us-1", "ann", "ann@example.org", False, None, "tk-us-new")
SECRET = "correct horse battery"


def test_create_prints_the_token_alone(run: Run, platform: FakePlatform) -> None:
    platform.on("POST", "/v1/users", (201, AccountAnswer(MADE)))
    assert run("user", "create", "ann", "--email", "ann@example.org").stdout == "tk-us-new\n"
    ((_, body),) = platform.sent("POST")
    assert json.loads(body) == {"user": {"username": "ann", "email": "ann@example.org"}}


def test_create_json_has_three_things(run: Run, platform: FakePlatform) -> None:
    platform.on("POST", "/v1/users", (201, AccountAnswer(MADE)))
    result = run("user", "create", "ann", "--email", "ann@example.org", "--admin", "--json")
    assert json.loads(result.stdout) == {"id": "us-1", "username": "ann", "token": "tk-us-new"}


def test_passwords_are_asked_for_and_never_shown(run: Run, platform: FakePlatform) -> None:
    platform.on("POST", "/v1/users", (201, AccountAnswer(MADE)))
    arguments = ("user", "create", "ann", "--email", "ann@example.org", "--password")
    result = run(*arguments, input=f"{SECRET}\n{SECRET}\n")
    assert result.exit_code == 0
    assert SECRET not in result.output
    ((_, body),) = platform.sent("POST")
    assert json.loads(body)["user"]["password"] == SECRET
    assert SECRET not in repr(MADE) + repr(KEPT)


def test_password(run: Run, platform: FakePlatform) -> None:
    platform.on("PATCH", "/v1/users/ann", (200, AccountAnswer(KEPT)))
    assert run("user", "password", "ann", input=f"{SECRET}\n{SECRET}\n").exit_code == 0
    ((_, body),) = platform.sent("PATCH")
    assert json.loads(body) == {"user": {"password": SECRET}}


@pytest.mark.parametrize(("command", "disabled"), [("disable", True), ("enable", False)])
def test_disable_and_enable(run: Run, platform: FakePlatform, command: str, disabled: bool) -> None:
    platform.on("PATCH", "/v1/users/ann", (200, AccountAnswer(KEPT)))
    assert run("user", command, "ann").exit_code == 0
    ((_, body),) = platform.sent("PATCH")
    assert json.loads(body) == {"user": {"disabled": disabled}}


def test_list(run: Run, platform: FakePlatform) -> None:
    platform.on("GET", "/v1/users", (200, AccountsAnswer([KEPT])))
    head, row = run("user", "list").stdout.splitlines()
    assert head.split() == ["NAME", "EMAIL", "ID", "ADMIN", "DISABLED"]
    assert row.split() == ["ann", "ann@example.org", "us-1", "-"]
    assert json.loads(run("user", "list", "--json").stdout)[0]["disabled_at"] is None


def test_who_is_no_administrator_is_told_so(run: Run, platform: FakePlatform) -> None:
    platform.on("GET", "/v1/users", (403, wire.Error("Only an administrator may do this")))
    result = run("user", "list")
    assert (result.exit_code, "administrator" in result.stderr) == (4, True)
