"""logs and operations."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st

from dbyard import wire
from dbyard.cli.history import unseen
from dbyard.wire.events import Event, EventsAnswer, EventUser, PageMeta, Pagination

if TYPE_CHECKING:
    from tests.cli.conftest import Platform

Run = Callable[..., Result]
LOGS = "/v1/databases/my-postgres-db/logs"


class TestLogs:
    def test_prints_lines(self, run: Run, platform: Platform) -> None:
        platform.on("GET", LOGS, (200, wire.LogsAnswer(["one", "two"])))
        assert run("logs", "my-postgres-db", "-n", "2").stdout == "one\ntwo\n"
        assert platform.sent("GET") == [(f"{LOGS}?lines=2", b"")]

    def test_json_is_a_list(self, run: Run, platform: Platform) -> None:
        platform.on("GET", LOGS, (200, wire.LogsAnswer(["one"])))
        assert json.loads(run("logs", "my-postgres-db", "--json").stdout) == ["one"]

    def test_follow_and_json_exclude_each_other(self, run: Run) -> None:
        assert run("logs", "my-postgres-db", "-f", "--json").exit_code == 2

    def test_follow_prints_what_is_new_until_ctrl_c(self, platform: Platform) -> None:
        first, second = wire.LogsAnswer(["0", "one", "two"]), wire.LogsAnswer(["one", "two", "three"])
        platform.on("GET", LOGS, (200, first), (200, second))
        follower = subprocess.Popen(
            [sys.executable, "-m", "dbyard", "logs", "my-postgres-db", "-n", "1", "--follow"],
            env={**os.environ, "DBYARD_URL": platform.url, "DBYARD_TOKEN": "tk-us-test", "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
        )
        assert follower.stdout is not None
        with follower.stdout:
            assert [follower.stdout.readline() for _ in range(2)] == ["two\n", "three\n"]
            follower.send_signal(signal.SIGINT)
            assert follower.stdout.read() == ""
        assert follower.wait(10) == 0


class TestUnseen:
    @pytest.mark.parametrize(
        ("seen", "latest", "new"),
        [
            ([], [], []),
            ([], ["a"], ["a"]),
            (["a", "b"], ["a", "b"], []),
            (["a", "b"], ["b", "c", "d"], ["c", "d"]),
            (["a", "x"], ["a", "b", "x"], ["b"]),
            (["a", "a"], ["a", "a", "a"], ["a"]),
        ],
    )
    def test_cases(self, seen: list[str], latest: list[str], new: list[str]) -> None:
        assert unseen(seen, latest) == new

    @given(st.lists(st.integers(0, 10_000), unique=True), st.integers(0, 20), st.integers(0, 20))
    def test_a_sliding_window_gives_each_line_once(self, numbers: list[int], size: int, grown: int) -> None:
        lines = [str(number) for number in numbers]
        before, after = lines[:size], lines[min(grown, size) : size + grown]
        assert unseen(before, after) == lines[size : size + grown]


class TestOperations:
    @pytest.fixture
    def failed(self, operation: wire.Operation) -> wire.Operation:
        steps = [*operation.steps, wire.OperationStep("launch", operation.created_at, "port_taken", "20001 is taken")]
        error = wire.OperationError("deadline", "took too long")
        return msgspec.structs.replace(operation, status="error", steps=steps, error=error)

    def test_shows_steps_and_cause(self, run: Run, platform: Platform, failed: wire.Operation) -> None:
        platform.on("GET", "/v1/databases/my-postgres-db/operations", (200, wire.OperationsAnswer([failed])))
        output = run("operations", "my-postgres-db").stdout
        assert "deadline: took too long" in output
        assert "port_taken: 20001 is taken" in output
        assert len(output.splitlines()) == 4

    def test_json_is_a_list(self, run: Run, platform: Platform, failed: wire.Operation) -> None:
        platform.on("GET", "/v1/databases/my-postgres-db/operations", (200, wire.OperationsAnswer([failed])))
        printed = run("operations", "my-postgres-db", "--json").stdout
        assert msgspec.json.decode(printed, type=list[wire.Operation]) == [failed]


class TestEvents:
    @pytest.fixture
    def answer(self, operation: wire.Operation) -> EventsAnswer:
        user = EventUser("admin", "admin@localhost", "us-1")
        event = Event("e1", operation.created_at, user, "d1", "my-db", "pr-1", "t1", "new_addon", {"plan_name": "p"})
        return EventsAnswer([event], PageMeta(Pagination(2, 1, 3, 3, 70, 30)))

    def test_shows_who_did_what(self, run: Run, platform: Platform, answer: EventsAnswer) -> None:
        platform.on("GET", "/v1/apps/my-db/events", (200, answer))
        result = run("events", "my-db", "--page", "2")
        _, row = result.stdout.splitlines()
        assert row.split() == ["2026-01-01", "00:00:00Z", "admin", "my-db", "new_addon", "plan_name=p"]
        assert result.stderr == "page 2 of 3, 70 events\n"
        assert platform.sent("GET") == [("/v1/apps/my-db/events?page=2&per_page=30", b"")]

    def test_json_is_a_list(self, run: Run, platform: Platform, answer: EventsAnswer) -> None:
        platform.on("GET", "/v1/events", (200, answer))
        printed = run("events", "--all", "-n", "5", "--json").stdout
        assert msgspec.json.decode(printed, type=list[Event]) == answer.events
        assert platform.sent("GET") == [("/v1/events?page=1&per_page=5&all=true", b"")]

    def test_a_database_and_all_exclude_each_other(self, run: Run) -> None:
        assert run("events", "my-db", "--all").exit_code == 2
