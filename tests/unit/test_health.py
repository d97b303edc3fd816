"""Which servers are started again because they do not answer, and which are not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from dbyard.metrics import Metrics
from dbyard.model import InstanceState, InstanceStatus, Restriction, Usage
from dbyard.operations import server
from dbyard.operations.server import ProbeResult
from dbyard.reconciler import health
from dbyard.reconciler.health import LivenessMonitor, ProbeFailures
from dbyard.reconciler.logins import LoginMonitor
from dbyard.store.instances import MonitoredInstance

TIMEOUT = 300
MINUTES = 60


class World:
    """Servers by what they say, a disk that they write to, and a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
        self.results = {f"i-{number}": ProbeResult.ANSWERS for number in range(count)}
        self.written = 0
        self.now = 1000.0
        self.restarted: list[str] = []
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setattr(health, "load_database", lambda _, database_id, _instance_id: database_id)
        monkeypatch.setattr(server, "probe", lambda _, target: self.results[target])
        monkeypatch.setattr(LoginMonitor, "check", lambda *_: None)
        monkeypatch.setattr(LivenessMonitor, "_restart", lambda _, watched: self.restarted.append(watched.id))
        watched = [MonitoredInstance(each, each, "redis", "plan", Restriction.NONE) for each in self.results]
        context: Any = SimpleNamespace(
            store=SimpleNamespace(cached=lambda *_: watched, forget_cached=lambda: None),
            runtime=SimpleNamespace(status=lambda _: InstanceStatus(InstanceState.RUNNING), usage=self.usage),
            metrics=Metrics(),
        )
        self.monitor = LivenessMonitor(context, threading.Event(), lambda: None, TIMEOUT)

    def usage(self, _instance_id: str) -> Usage:
        return Usage(None, None, None, None, self.written)

    def told(self) -> set[str]:
        """The servers of which it is told that they do not answer."""
        return {each for each in self.results if self.monitor._observed.reason(each)}

    def pass_minutes(self, minutes: float, meanwhile: Callable[[], None] = lambda: None) -> None:
        for _ in range(int(minutes * MINUTES)):
            self.now += 1
            meanwhile()
            self.monitor.run_once()
            self.probe_due()

    def probe_due(self) -> None:
        for of_failed in (False, True):
            while self.monitor.probe_next(of_failed) == 0:
                pass


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch, 5)


@pytest.mark.parametrize("result", [ProbeResult.SILENT, ProbeResult.STUCK])
def test_a_silent_server_is_restarted_in_the_end(world: World, result: ProbeResult) -> None:
    world.results["i-0"] = result
    world.pass_minutes(1.5)
    assert world.told() == {"i-0"}
    world.pass_minutes(3.4)
    assert world.restarted == []
    world.pass_minutes(1.5)
    assert set(world.restarted) == {"i-0"}


def test_one_answer_clears_all_failures(world: World) -> None:
    world.results["i-0"] = ProbeResult.SILENT
    world.pass_minutes(4.9)
    world.results["i-0"] = ProbeResult.ANSWERS
    world.pass_minutes(1.5)
    world.results["i-0"] = ProbeResult.SILENT
    world.pass_minutes(4.5)
    assert world.restarted == []


def test_one_that_writes_is_at_work_unless_it_says_that_it_is_stuck(world: World) -> None:
    def write() -> None:
        world.written += 1

    world.results["i-0"] = ProbeResult.SILENT
    world.pass_minutes(30, write)
    assert world.restarted == []
    world.results["i-0"] = ProbeResult.STUCK
    world.pass_minutes(7, write)
    assert set(world.restarted) == {"i-0"}


def test_most_servers_at_once_are_not_to_blame(world: World) -> None:
    for each in ("i-0", "i-1", "i-2"):
        world.results[each] = ProbeResult.SILENT
    world.pass_minutes(30)
    assert world.restarted == []
    assert world.told() == set()
    world.results["i-2"] = ProbeResult.ANSWERS
    world.pass_minutes(2)
    assert set(world.restarted) == {"i-0", "i-1"}


def test_trouble_with_one_leaves_no_other_without_a_probe(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def status(instance_id: str) -> InstanceStatus:
        if instance_id == "i-0":
            raise ValueError("its files are damaged")
        return InstanceStatus(InstanceState.RUNNING)

    monkeypatch.setattr(world.monitor._context.runtime, "status", status)
    world.results["i-4"] = ProbeResult.SILENT
    world.pass_minutes(6.4)
    assert set(world.restarted) == {"i-4"}


def test_without_a_timeout_it_is_told_and_never_restarted(world: World) -> None:
    world.monitor = LivenessMonitor(world.monitor._context, threading.Event(), lambda: None, 0)
    world.results["i-0"] = ProbeResult.SILENT
    world.pass_minutes(30)
    assert (world.told(), world.restarted) == ({"i-0"}, [])
    assert world.monitor.threads


def test_servers_that_failed_keep_no_other_from_its_probe(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them holds the thread that probes it, as long as it can."""
    world.pass_minutes(2)
    held, over = threading.Semaphore(0), threading.Event()
    for each in ("i-0", "i-1", "i-2"):
        world.monitor._failures[each] = ProbeFailures(world.now, 1, None)
    probed: list[str] = []

    def probe(_: object, target: str) -> ProbeResult:
        probed.append(target)
        if target in ("i-0", "i-1", "i-2"):
            held.release()
            over.wait(30)
        return ProbeResult.ANSWERS

    monkeypatch.setattr(server, "probe", probe)
    world.now += 120
    threads = [threading.Thread(target=world.monitor.probe_next, args=(True,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert held.acquire(timeout=30)
    while world.monitor.probe_next(False) == 0:
        pass
    over.set()
    for thread in threads:
        thread.join()
    assert sorted(probed) == ["i-0", "i-1", "i-2", "i-3", "i-4"]
