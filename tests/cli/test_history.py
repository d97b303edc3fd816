"""logs and operations."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import msgspec
import pytest
from click.testing import Result

from dbyard import wire
from dbyard.wire.events import AuditEvent, AuditEventsAnswer, EventUser, PageMeta, Pagination
from dbyard.wire.logs import LogsAnswer
from tests.cli.conftest import End, FakePlatform, Streamed

Run = Callable[..., Result]
LOGS = "/v1/databases/my-postgres-db/logs"


class TestLogs:
    def test_prints_lines(self, run: Run, platform: FakePlatform) -> None:
        platform.on("GET", LOGS, (200, LogsAnswer(["one", "two"])))
        assert run("logs", "my-postgres-db", "-n", "2").stdout == "one\ntwo\n"
        assert platform.sent("GET") == [(f"{LOGS}?lines=2", b"")]

    def test_json_is_a_list(self, run: Run, platform: FakePlatform) -> None:
        platform.on("GET", LOGS, (200, LogsAnswer(["one"])))
        assert json.loads(run("logs", "my-postgres-db", "--json").stdout) == ["one"]

    def test_follow_and_json_exclude_each_other(self, run: Run) -> None:
        assert run("logs", "my-postgres-db", "-f", "--json").exit_code == 2

    def test_follow_prints_what_is_new_until_ctrl_c(self, platform: FakePlatform) -> None:
        streamed = Streamed()
        platform.on("GET", LOGS, (200, streamed))
        streamed.parts.put(b"data: one\n\n: no news\n\nda")
        follower = subprocess.Popen(
            [sys.executable, "-m", "dbyard", "logs", "my-postgres-db", "-n", "1", "--follow"],
            env={**os.environ, "DBYARD_URL": platform.url, "DBYARD_TOKEN": "tk-us-test", "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
        )
        assert follower.stdout is not None
        with follower.stdout:
            assert follower.stdout.readline() == "one\n"
            streamed.parts.put(b"ta: two\n\n")
            assert follower.stdout.readline() == "two\n"
            follower.send_signal(signal.SIGINT)
            assert follower.stdout.read() == ""
        assert follower.wait(10) == 0
        streamed.parts.put(End)
        assert platform.sent("GET") == [(f"{LOGS}?lines=1&follow=true", b"")]

    def test_follow_says_that_the_log_has_ended(self, run: Run, platform: FakePlatform) -> None:
        streamed = Streamed()
        platform.on("GET", LOGS, (200, streamed))
        streamed.parts.put(b"data: one\ndata:  two\n\n")
        streamed.parts.put(End)
        result = run("logs", "my-postgres-db", "-f")
        assert (result.exit_code, result.stdout) == (0, "one\n two\n")
        assert result.stderr == "the log of my-postgres-db has ended\n"

    def test_follow_says_why_it_cannot(self, run: Run) -> None:
        result = run("logs", "my-postgres-db", "-f")
        assert (result.exit_code, result.stdout) == (3, "")
        assert "Database not found" in result.stderr


class TestOperations:
    @pytest.fixture
    def failed(self, operation: wire.Operation) -> wire.Operation:
        steps = [*operation.steps, wire.OperationStep("start", operation.created_at, "port_taken", "20001 is taken")]
        error = wire.OperationError("deadline", "took too long")
        return msgspec.structs.replace(operation, status="error", steps=steps, error=error)

    def test_shows_steps_and_cause(self, run: Run, platform: FakePlatform, failed: wire.Operation) -> None:
        platform.on("GET", "/v1/databases/my-postgres-db/operations", (200, wire.OperationsAnswer([failed])))
        output = run("operations", "my-postgres-db").stdout
        assert "deadline: took too long" in output
        assert "port_taken: 20001 is taken" in output
        assert len(output.splitlines()) == 4

    def test_json_is_a_list(self, run: Run, platform: FakePlatform, failed: wire.Operation) -> None:
        platform.on("GET", "/v1/databases/my-postgres-db/operations", (200, wire.OperationsAnswer([failed])))
        printed = run("operations", "my-postgres-db", "--json").stdout
        assert msgspec.json.decode(printed, type=list[wire.Operation]) == [failed]


class TestEvents:
    @pytest.fixture
    def answer(self, operation: wire.Operation) -> AuditEventsAnswer:
        user = EventUser("admin", "admin@localhost", "us-1")
        event = AuditEvent(
            "e1", operation.created_at, user, "d1", "my-db", "pr-1", "t1", "database.created", {"plan": "p"}
        )
        return AuditEventsAnswer([event], PageMeta(Pagination(2, 1, 3, 3, 70, 30)))

    def test_shows_who_did_what(self, run: Run, platform: FakePlatform, answer: AuditEventsAnswer) -> None:
        platform.on("GET", "/v1/databases/my-db/events", (200, answer))
        result = run("events", "my-db", "--page", "2")
        _, row = result.stdout.splitlines()
        assert row.split() == ["2026-01-01", "00:00:00Z", "admin", "my-db", "database.created", "plan=p"]
        assert result.stderr == "page 2 of 3, 70 events\n"
        assert platform.sent("GET") == [("/v1/databases/my-db/events?page=2&per_page=30", b"")]

    def test_json_is_a_list(self, run: Run, platform: FakePlatform, answer: AuditEventsAnswer) -> None:
        platform.on("GET", "/v1/audit/events", (200, answer))
        printed = run("events", "--all", "-n", "5", "--json").stdout
        assert msgspec.json.decode(printed, type=list[AuditEvent]) == answer.events
        assert platform.sent("GET") == [("/v1/audit/events?page=1&per_page=5&all=true", b"")]

    def test_a_database_and_all_exclude_each_other(self, run: Run) -> None:
        assert run("events", "my-db", "--all").exit_code == 2
