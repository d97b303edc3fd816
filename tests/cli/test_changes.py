"""reset-password against a server that answers as the platform does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import pytest
from click.testing import Result

from dbyard import wire
from dbyard.wire import dbusers

if TYPE_CHECKING:
    from tests.cli.conftest import Platform

Run = Callable[..., Result]
BUSY = (409, wire.NotUsable("The database gets a new password", "op-1"))
CLOSED = (409, wire.NotUsable("The database is closed: 101 % of its disk is used", None))


@pytest.fixture
def one(platform: Platform, database: wire.Database) -> Platform:
    platform.on("GET", f"/v1/databases/{database.name}", (200, wire.DatabaseAnswer(database)))
    fields = ("app_1", False, True, dict[str, str]())
    platform.on("GET", f"/api/databases/{database.id}/users", (200, dbusers.UsersAnswer([dbusers.User(*fields)])))
    renewed = dbusers.UserWithPassword(*fields, "n3w")
    answer = dbusers.PasswordAnswer(*fields, "n3w", renewed, "op-1")
    platform.on("POST", f"/api/databases/{database.id}/users/app_1/reset_password", (200, answer))
    return platform


class TestResetPassword:
    def test_prints_the_new_url_once_it_works(
        self,
        run: Run,
        one: Platform,
        database: wire.Database,
        connection: wire.Connection,
        operation: wire.Operation,
    ) -> None:
        one.on("GET", f"/v1/databases/{database.name}/operations", (200, wire.OperationsAnswer([operation])))
        one.on("GET", f"/v1/databases/{database.name}/connection", BUSY, (200, wire.ConnectionAnswer(connection)))
        result = run("reset-password", database.name)
        assert (result.exit_code, result.stdout) == (0, connection.url + "\n")
        assert len(one.sent("POST")) == 1

    def test_does_not_wait_for_a_full_disk(
        self, run: Run, one: Platform, database: wire.Database, operation: wire.Operation
    ) -> None:
        done = msgspec.structs.replace(operation, kind="rotate", status="done")
        one.on("GET", f"/v1/databases/{database.name}/operations", (200, wire.OperationsAnswer([done])))
        one.on("GET", f"/v1/databases/{database.name}/connection", CLOSED)
        result = run("reset-password", database.name)
        assert (result.exit_code, result.stdout) == (5, "")
        assert "101 % of its disk is used" in result.stderr

    def test_of_an_unknown_database(self, run: Run, platform: Platform) -> None:
        assert run("reset-password", "nobodys-db").exit_code == 3
