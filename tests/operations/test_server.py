"""Whose server may start now."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from dbyard.model import MIB, ExitStatus, InstanceState, InstanceStatus, Operation
from dbyard.operations import Context, Wait, server
from dbyard.operations.target import load
from dbyard.service import Service
from dbyard.service.accounts import authentication
from dbyard.service.databases.create import create as create_database
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import operations
from tests.builders import SPEC, claim
from tests.conftest import Clock, World


class Stopped:
    """A runtime where only those run of which a test says so."""

    running: frozenset[str] = frozenset()

    def status(self, instance_id: str) -> InstanceStatus:
        running = instance_id in self.running
        return InstanceStatus(InstanceState.RUNNING if running else InstanceState.STOPPED)


@pytest.fixture
def context(service: Service, world: World) -> Context:
    none: object = None
    return Context(
        store=service.store,
        catalogue=service.catalogue,
        box=service.box,
        authority=service.authority,
        runtime=Stopped(),  # type: ignore[arg-type]
        metrics=none,  # type: ignore[arg-type]
        archive=service.archive,
        now=service.clock,
        host=none,  # type: ignore[arg-type]
        spares=none,  # type: ignore[arg-type]
    )


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})


def create(service: Service, token: str, clock: Clock, technology: str, count: int) -> list[Operation]:
    principal = authentication.authenticate(service, token)
    plan = service.catalogue.technologies[technology].plans[0].name
    claimed = []
    for number in range(count):
        create_database(service, principal, CreateRequest(f"{technology}-{number}", technology, plan))
        clock.advance(1)
        claimed.append(claim(service))
    return claimed


def turns(context: Context, asking: Sequence[Operation]) -> list[bool]:
    """Whether each may start."""
    return [server.wait_for_start_slot(context, each, load(context, each)) is None for each in asking]


class TestDescribeExit:
    @pytest.mark.parametrize(
        ("end", "code", "words"),
        [
            (
                ExitStatus(-9, memory_kill=True),
                "killed_for_memory",
                r"more memory than its plan allows \(448 MB in all\)",
            ),
            (ExitStatus(None, memory_kill=True), "killed_for_memory", "more memory"),
            (ExitStatus(-9, memory_kill=False), "server_killed", r"signal 9 \(Killed\)"),
            (ExitStatus(-11, memory_kill=True), "server_killed", "signal 11"),  # it was another of its processes
            (ExitStatus(3, memory_kill=False), "out_of_memory", "needs more memory than its plan allows"),
            (ExitStatus(1, memory_kill=False), "server_exited", "with exit code 1"),
            (ExitStatus(None, memory_kill=False), "server_exited", "the server ended$"),
        ],
    )
    def test_says_what_is_known(self, end: ExitStatus, code: str, words: str) -> None:
        cause = server.describe_exit(
            end, replace(SPEC, memory=448 * MIB, processes=(replace(SPEC.server, memory_exit=3),))
        )
        assert cause.code == code
        assert re.search(words, cause.message)


class TestStartSlot:
    def test_slow_starts_are_as_many_as_processors(
        self, context: Context, service: Service, token: str, clock: Clock
    ) -> None:
        asking = create(service, token, clock, "elasticsearch", 4)
        assert turns(context, asking) == [True, True, False, False]
        waiting = server.wait_for_start_slot(context, asking[3], load(context, asking[3]))
        assert isinstance(waiting, Wait)
        assert waiting.reason == "3 servers of its kind start before it, 2 at once"

    def test_the_next_follows_when_one_is_ready(
        self, context: Context, service: Service, token: str, clock: Clock
    ) -> None:
        asking = create(service, token, clock, "elasticsearch", 4)
        with service.store.tx() as connection:
            operations.finish(connection, asking[0], clock())
        assert turns(context, asking[1:]) == [True, True, False]

    def test_the_oldest_is_the_next_however_long_it_waits(
        self, context: Context, service: Service, token: str, clock: Clock
    ) -> None:
        asking = create(service, token, clock, "elasticsearch", 6)
        pauses = []
        for each in asking[2:]:
            waiting = server.wait_for_start_slot(context, each, load(context, each))
            assert waiting is not None
            pauses.append(waiting.seconds)
            with service.store.tx() as connection:
                operations.wait(connection, each, clock() + 60, each.deadline_at, waiting.reason)
        assert pauses == sorted(pauses)
        with service.store.tx() as connection:
            operations.finish(connection, asking[0], clock())
        assert turns(context, asking[1:]) == [True, True, False, False, False]

    def test_a_server_that_runs_already_waits_for_nobody(
        self, service: Service, token: str, clock: Clock, context: Context, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asking = create(service, token, clock, "opensearch", 4)
        assert turns(context, asking) == [True, True, False, False]
        monkeypatch.setattr(Stopped, "running", {load(context, asking[3]).instance.id})
        assert turns(context, asking) == [True, True, False, True]

    def test_one_that_waits_after_a_failure_lets_others_go_first(
        self, context: Context, service: Service, token: str, clock: Clock
    ) -> None:
        asking = create(service, token, clock, "elasticsearch", 3)
        with service.store.tx() as connection:
            operations.retry(connection, asking[0], clock() + 10, clock(), "server_exited", "the server ended")
        assert turns(context, asking[1:]) == [True, True]

    def test_quick_starts_do_not_wait(self, context: Context, service: Service, token: str, clock: Clock) -> None:
        assert turns(context, create(service, token, clock, "redis", 4)) == [True] * 4
