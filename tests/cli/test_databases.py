"""create, url, delete against a server that answers as the platform does."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import pytest
from click.testing import Result

from dbyard import wire
from dbyard.wire.logs import LogsAnswer

if TYPE_CHECKING:
    from tests.cli.conftest import FakePlatform

Run = Callable[..., Result]
CREATE = ("create", "my-postgres-db", "--technology", "postgresql", "--plan", "postgresql-starter-512")
BUSY = (409, wire.NotUsable("my-postgres-db is being created", "op-1"))


@pytest.fixture
def one(platform: FakePlatform, database: wire.Database, connection: wire.Connection) -> FakePlatform:
    """A platform with the database, by name and id, ready."""
    for key in (database.name, database.id):
        platform.on("GET", f"/v1/databases/{key}", (200, wire.DatabaseAnswer(database)))
        platform.on("GET", f"/v1/databases/{key}/connection", (200, wire.ConnectionAnswer(connection)))
        platform.on("DELETE", f"/v1/databases/{key}", (204, None))
    platform.on("GET", "/v1/databases", (200, wire.DatabasesAnswer([database])))
    platform.on("POST", "/v1/databases", (201, wire.DatabaseAnswer(database)))
    return platform


@pytest.fixture
def creating(one: FakePlatform, operation: wire.Operation) -> FakePlatform:
    one.on("GET", "/v1/databases/my-postgres-db/connection", BUSY)
    one.on("GET", "/v1/databases/my-postgres-db/operations", (200, wire.OperationsAnswer([operation])))
    return one


class TestCreate:
    def test_prints_the_url_alone(self, run: Run, one: FakePlatform, connection: wire.Connection) -> None:
        result = run(*CREATE, "--version", "15", "--set", "locale=de")
        assert result.exit_code == 0
        assert result.stdout == connection.url + "\n"
        ((_, body),) = one.sent("POST")
        assert json.loads(body) == {
            "database": {
                "name": "my-postgres-db",
                "technology": "postgresql",
                "plan": "postgresql-starter-512",
                "version": "15",
                "settings": {"locale": "de"},
            }
        }

    def test_shows_the_steps_while_it_waits(
        self, run: Run, creating: FakePlatform, connection: wire.Connection
    ) -> None:
        ready = (200, wire.ConnectionAnswer(connection))
        creating.on("GET", "/v1/databases/my-postgres-db/connection", BUSY, BUSY, ready)
        result = run(*CREATE)
        assert result.stdout == connection.url + "\n"
        assert result.stderr.count("create, start") == 1

    def test_a_failed_operation_gives_cause_and_log(
        self, run: Run, creating: FakePlatform, operation: wire.Operation
    ) -> None:
        failed = msgspec.structs.replace(operation, status="error", error=wire.OperationError("not_ready", "no answer"))
        creating.on("GET", "/v1/databases/my-postgres-db/operations", (200, wire.OperationsAnswer([failed])))
        creating.on("GET", "/v1/databases/my-postgres-db/logs", (200, LogsAnswer(["FATAL: no space"])))
        result = run(*CREATE)
        assert result.exit_code == 1
        assert result.stdout == ""
        assert "create failed at start: no answer" in result.stderr
        assert "FATAL: no space" in result.stderr

    def test_no_wait_prints_the_id(self, run: Run, creating: FakePlatform, database: wire.Database) -> None:
        result = run(*CREATE, "--no-wait")
        assert (result.exit_code, result.stdout) == (0, database.id + "\n")

    def test_waiting_too_long(self, run: Run, creating: FakePlatform) -> None:
        result = run(*CREATE, "--timeout", "0")
        assert result.exit_code == 7
        assert "the platform continues" in result.stderr

    def test_refusals_are_all_shown(self, run: Run, one: FakePlatform) -> None:
        one.on("POST", "/v1/databases", (422, wire.Errors({"name": ["is taken"], "plan": ["is none", "of mysql"]})))
        result = run(*CREATE)
        assert result.exit_code == 5
        for line in ("name: is taken", "plan: is none", "plan: of mysql"):
            assert line in result.stderr

    def test_json_has_database_and_connection(
        self, run: Run, one: FakePlatform, database: wire.Database, connection: wire.Connection
    ) -> None:
        made = json.loads(run(*CREATE, "--json").stdout)
        assert made["database"]["id"] == database.id
        assert made["connection"]["url"] == connection.url
        assert json.loads(run(*CREATE, "--json", "--no-wait").stdout)["connection"] is None

    def test_ctrl_c_says_that_the_work_goes_on(self, creating: FakePlatform) -> None:
        waiting = subprocess.Popen(
            [sys.executable, "-m", "dbyard", *CREATE],
            env={**os.environ, "DBYARD_URL": creating.url, "DBYARD_TOKEN": "tk-us-test"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
        )
        deadline = time.monotonic() + 20
        while not any(target.endswith("/operations") for target, _ in creating.sent("GET")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        waiting.send_signal(signal.SIGINT)
        stdout, stderr = waiting.communicate(timeout=20)
        assert (waiting.returncode, stdout) == (130, "")
        assert "the platform continues creating my-postgres-db" in stderr
        assert "dbyard show my-postgres-db" in stderr


class TestUrl:
    def test_alone_on_its_line(self, run: Run, one: FakePlatform, connection: wire.Connection) -> None:
        assert run("url", "my-postgres-db").stdout == connection.url + "\n"

    def test_json_is_the_connection(self, run: Run, one: FakePlatform, connection: wire.Connection) -> None:
        assert json.loads(run("url", "my-postgres-db", "--json").stdout) == msgspec.to_builtins(connection)

    def test_another_form(self, run: Run, one: FakePlatform, connection: wire.Connection) -> None:
        assert run("url", "my-postgres-db", "--as", "jdbc").stdout == connection.forms["jdbc"] + "\n"
        refused = run("url", "my-postgres-db", "--as", "odbc")
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert "one of jdbc" in refused.stderr

    def test_not_yet(self, run: Run, creating: FakePlatform) -> None:
        result = run("url", "my-postgres-db")
        assert (result.exit_code, result.stdout) == (5, "")


class TestDelete:
    def test_asks_for_the_name(self, run: Run, one: FakePlatform, database: wire.Database) -> None:
        result = run("delete", "my-postgres-db", input="my-postgres-db\n")
        assert result.exit_code == 0
        assert result.stdout == ""
        assert one.sent("DELETE") == [(f"/v1/databases/{database.id}?confirm=my-postgres-db", b"")]

    def test_another_name_deletes_nothing(self, run: Run, one: FakePlatform) -> None:
        result = run("delete", "my-postgres-db", input="other\n")
        assert result.exit_code == 1
        assert one.sent("DELETE") == []

    def test_no_answer_deletes_nothing(self, run: Run, one: FakePlatform) -> None:
        assert run("delete", "my-postgres-db").exit_code == 1
        assert one.sent("DELETE") == []

    def test_confirm_asks_nothing(self, run: Run, one: FakePlatform, database: wire.Database) -> None:
        assert run("delete", database.id, "--confirm", "my-postgres-db").exit_code == 0
        assert one.sent("DELETE") == [(f"/v1/databases/{database.id}?confirm=my-postgres-db", b"")]

    def test_waits_until_the_port_is_closed(self, run: Run, one: FakePlatform, connection: wire.Connection) -> None:
        with socket.create_server((connection.host, connection.port)):
            result = run("delete", "my-postgres-db", "--confirm", "my-postgres-db", "--timeout", "0")
        assert result.exit_code == 7
        assert str(connection.port) in result.stderr

    def test_of_one_that_never_ran(self, run: Run, one: FakePlatform, database: wire.Database) -> None:
        one.on("GET", f"/v1/databases/{database.id}/connection", BUSY)
        assert run("delete", "my-postgres-db", "--confirm", "my-postgres-db").exit_code == 0
