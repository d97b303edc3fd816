"""What the log says at the start of what isolation is missing."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from dbyard import daemon, installations
from dbyard.isolation import list_missing
from dbyard.runtimes.local import LocalRuntime
from tests.ports import PLATFORMS, bounds

ALL = {
    "memory": "cgroup v2",
    "cpu": "cgroup v2",
    "processes": "cgroup v2",
    "disk": "watched by the platform",
    "sandbox": "bubblewrap",
    "network": "no outgoing connections",
    "ports": "its own",
    "uid": "one per instance",
}


def test_nothing_is_said_where_everything_holds() -> None:
    assert list_missing(ALL) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("sandbox", "none", "no sandbox"),
        ("network", "the machine's", "connect to every port"),
        ("ports", "any free one", "that of a neighbour"),
        ("uid", "shared", "run as the platform's user"),
        ("memory", "engine settings and rlimit", "rlimits only"),
        ("cpu", "none", "all processors"),
        ("processes", "none", "any number of processes"),
    ],
)
def test_each_thing_that_is_missing_is_said(name: str, value: str, said: str) -> None:
    (sentence,) = list_missing(ALL | {name: value})
    assert said in sentence


def test_a_start_without_a_sandbox_warns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    runtime = LocalRuntime(tmp_path / "home", "127.0.0.1", bounds(PLATFORMS), None, installations.find)
    with caplog.at_level(logging.WARNING):
        daemon.warn_of_isolation(runtime)
    assert "servers have no sandbox" in caplog.text
