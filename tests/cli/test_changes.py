"""resize, reset-password and repair against a server that answers as the platform does."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from click.testing import Result

from dbyard import wire
from dbyard.wire import database_users, details

if TYPE_CHECKING:
    from tests.cli.conftest import FakePlatform

Run = Callable[..., Result]
PLAN = "postgresql-starter-1024"
BUSY = (409, wire.NotUsable("The database is being configured", "op-1"))
CLOSED = (409, wire.NotUsable("The database is closed: 101 % of its disk is used", None))


@pytest.fixture
def one(platform: FakePlatform, database: wire.Database) -> FakePlatform:
    platform.on("GET", f"/v1/databases/{database.name}", (200, wire.DatabaseAnswer(database)))
    fields = ("app_1", False, True, dict[str, str](), None)
    users = database_users.DatabaseUsersAnswer([database_users.DatabaseUser(*fields)])
    platform.on("GET", f"/api/databases/{database.id}/users", (200, users))
    renewed = database_users.UserWithPassword(*fields, "n3w")
    answer = database_users.PasswordAnswer(*fields, "n3w", renewed, None, "op-1")
    platform.on("POST", f"/api/databases/{database.id}/users/app_1/reset_password", (200, answer))
    return platform


class TestResize:
    @pytest.fixture
    def changing(self, platform: FakePlatform, database: wire.Database, connection: wire.Connection) -> FakePlatform:
        changed = msgspec.structs.replace(database, plan=PLAN)
        platform.on("GET", f"/v1/databases/{database.name}", (200, wire.DatabaseAnswer(database)))
        platform.on("GET", f"/v1/databases/{database.id}", (200, wire.DatabaseAnswer(changed)))
        platform.on("PATCH", f"/v1/apps/{database.id}/addons/ad-{database.id}", (200, {}))
        platform.on("GET", f"/v1/databases/{database.name}/connection", BUSY, (200, wire.ConnectionAnswer(connection)))
        return platform

    def test_waits_until_it_can_be_used_with_the_plan(
        self, run: Run, changing: FakePlatform, database: wire.Database, operation: wire.Operation
    ) -> None:
        resize = msgspec.structs.replace(operation, kind="resize")
        changing.on("GET", f"/v1/databases/{database.name}/operations", (200, wire.OperationsAnswer([resize])))
        result = run("resize", database.name, PLAN)
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr.endswith(f"{database.name} has the plan {PLAN}\n")
        ((_, body),) = changing.sent("PATCH")
        assert json.loads(body) == {"addon": {"plan_id": PLAN}}

    def test_that_went_back_is_a_failure(
        self, run: Run, changing: FakePlatform, database: wire.Database, operation: wire.Operation
    ) -> None:
        heal = msgspec.structs.replace(operation, kind="heal")
        error = wire.OperationError("server_exited", "the server ended")
        failed = msgspec.structs.replace(operation, kind="resize", status="error", error=error)
        changing.on("GET", f"/v1/databases/{database.name}/operations", (200, wire.OperationsAnswer([heal, failed])))
        result = run("resize", database.name, PLAN)
        assert result.exit_code == 1
        assert "still has its old plan: the server ended" in result.stderr

    def test_without_waiting(self, run: Run, changing: FakePlatform, database: wire.Database) -> None:
        result = run("resize", database.name, PLAN, "--no-wait")
        assert (result.exit_code, result.stderr) == (0, f"{database.name} gets the plan {PLAN}\n")


class TestResetPassword:
    def test_prints_the_new_url_once_it_works(
        self,
        run: Run,
        one: FakePlatform,
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
        self, run: Run, one: FakePlatform, database: wire.Database, operation: wire.Operation
    ) -> None:
        done = msgspec.structs.replace(operation, kind="configure", status="done")
        one.on("GET", f"/v1/databases/{database.name}/operations", (200, wire.OperationsAnswer([done])))
        one.on("GET", f"/v1/databases/{database.name}/connection", CLOSED)
        result = run("reset-password", database.name)
        assert (result.exit_code, result.stdout) == (5, "")
        assert "101 % of its disk is used" in result.stderr

    def test_of_an_unknown_database(self, run: Run, platform: FakePlatform) -> None:
        assert run("reset-password", "nobodys-db").exit_code == 3


def show(database: wire.Database, error: str | None) -> details.DetailsAnswer:
    limits = details.Limits(
        details.MemoryLimit(1, 2, "cgroup"),
        details.CpuLimit(1.0, "cgroup"),
        details.ProcessLimit("cgroup"),
        details.CountLimit(30, "server"),
        details.DiskLimit(1, "watch"),
    )
    fields: dict[str, Any] = dict.fromkeys(details.DatabaseDetails.__struct_fields__)
    lists = ("instances", "features", "periodic_backups_scheduled_at", "flags")
    texts = ("plan", "type_id", "type_name", "version_id", "readable_version")
    fields |= (
        {name: [] for name in lists}
        | dict.fromkeys(texts, "")
        | {
            "id": database.id,
            "resource_id": database.id,
            "app_name": database.name,
            "created_at": datetime(2027, 1, 15, tzinfo=UTC),
            "encryption_at_rest": False,
            "status": "running",
            "error": error,
            "cluster": False,
            "periodic_backups_enabled": False,
            "maintenance_window": details.MaintenanceWindow(0, 0, 1),
            "server": details.ServerDetails("PostgreSQL", "17.10", "", "", ""),
            "limits": limits,
            "isolation": details.Isolation("none", "host", "any", "shared"),
            "disk": details.Disk(0, 1, "none", None, None),
        }
    )
    return details.DetailsAnswer(details.DatabaseDetails(**fields))


class TestUpgrade:
    @pytest.mark.parametrize(("status", "code", "words"), [("done", 0, "runs on"), ("error", 1, "keeps its build: no")])
    def test_waits_for_the_end(
        self,
        run: Run,
        one: FakePlatform,
        database: wire.Database,
        operation: wire.Operation,
        status: str,
        code: int,
        words: str,
    ) -> None:
        begun = msgspec.structs.replace(operation, kind="upgrade", status="pending")
        error = wire.OperationError("server_exited", "no") if status == "error" else None
        ended = msgspec.structs.replace(begun, status=status, error=error)
        one.on("POST", f"/v1/databases/{database.id}/upgrade", (202, wire.OperationAnswer(begun)))
        answers = [(200, wire.OperationsAnswer([each])) for each in (begun, ended)]
        one.on("GET", f"/v1/databases/{database.name}/operations", *answers)
        one.on("GET", f"/api/databases/{database.id}", (200, show(database, None)))
        result = run("upgrade", database.name)
        assert (result.exit_code, result.stdout) == (code, "")
        assert words in result.stderr


class TestRepair:
    @pytest.fixture
    def repaired(self, one: FakePlatform, database: wire.Database, operation: wire.Operation) -> FakePlatform:
        begun = msgspec.structs.replace(operation, kind="configure", status="pending")
        done = msgspec.structs.replace(begun, status="done")
        one.on("POST", f"/v1/databases/{database.id}/repair", (202, wire.OperationAnswer(begun)))
        answers = [(200, wire.OperationsAnswer([each])) for each in (begun, done)]
        one.on("GET", f"/v1/databases/{database.name}/operations", *answers)
        return one

    @pytest.mark.parametrize(("error", "code"), [(None, 0), ("its tenant cannot use it (wrong_password)", 1)])
    def test_waits_and_says_what_is_still_wrong(
        self, run: Run, repaired: FakePlatform, database: wire.Database, error: str | None, code: int
    ) -> None:
        repaired.on("GET", f"/api/databases/{database.id}", (200, show(database, error)))
        result = run("repair", database.name)
        assert (result.exit_code, result.stdout) == (code, "")
        assert (error or "is repaired") in result.stderr
