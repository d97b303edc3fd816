"""Platforms for tests that break them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from dbyard.runtimes.local import processes
from dbyard.runtimes.local.processes import Process
from tests.e2e.platforms import Platform, platform


@pytest.fixture
def fresh() -> Iterator[Platform]:
    """A platform of the test's own, not started."""
    with platform() as made:
        yield made


@pytest.fixture(scope="module")
def home() -> Iterator[Platform]:
    """A platform that the tests of a module start and kill one after the other."""
    with platform() as made:
        yield made


@pytest.fixture
def stranger() -> Iterator[Process]:
    """A program that has nothing to do with us, and must be alive in the end."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as program:
        found = processes.read(program.pid)
        assert found is not None
        yield found
        assert processes.is_alive(found)
        program.communicate(b"\n")
        assert program.returncode == 0
