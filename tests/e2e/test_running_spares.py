"""Running spares with a real OpenSearch: claimed, killed at, given back, and in the end nothing is left of them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from dbyard import installations
from dbyard.errors import Unreachable
from dbyard.runtimes.local import processes
from dbyard.runtimes.local.processes import Process
from tests.e2e import tenants
from tests.e2e.platforms import Platform, cgroups_of, new_database, platform, require, wait_for
from tests.e2e.test_killed_platform import KILLER

NAME, TECHNOLOGY = "spared-db", "elasticsearch"
SECONDS = 180

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or installations.find_tool("bwrap") is None, reason="needs root and bubblewrap"
)


@pytest.fixture(scope="module")
def home() -> Iterator[Platform]:
    require(TECHNOLOGY, "2.19")
    with platform() as made:
        yield made


def await_spare(home: Platform) -> Process:
    """The server of the spare that waits."""
    found = wait_for(lambda: list((home.home / "spares").glob(f"running-{TECHNOLOGY}-*")), home.log, SECONDS)
    return server_of(found[0])


def server_of(directory: Path) -> Process:
    found = processes.find_recorded(json.loads((directory / "process.json").read_text()))
    assert found is not None, f"no server runs in {directory}"
    return found


class TestLife:
    """One database after the other step of its life."""

    def test_a_create_takes_the_server_that_runs(self, home: Platform) -> None:
        home.start(DBYARD_RUNNING_SPARES="1")
        spare = await_spare(home)
        connection = home.create(NAME, TECHNOLOGY)
        assert home.server(connection.port) == spare
        with closing(tenants.connect(TECHNOLOGY, connection.url)) as tenant:
            tenant.write_many(range(100))  # into an index that is new
            assert tenant.read() == set(range(100))

    def test_stop_ends_it_and_the_next_spare(self, home: Platform) -> None:
        running = [await_spare(home), home.server(home.await_usable(NAME).port)]
        home.stop()
        assert not any(map(processes.is_alive, running))
        assert home.servers() == []
        assert list((home.home / "spares").iterdir()) == []
        assert cgroups_of(home.home) == []

    def test_it_comes_back_as_any_other(self, home: Platform) -> None:
        connection = home.start().await_usable(NAME)
        tenants.await_answer(TECHNOLOGY, connection.url, SECONDS)
        assert str(home.directory(connection.port)) in " ".join(home.server(connection.port).argv)
        with closing(tenants.connect(TECHNOLOGY, connection.url)) as tenant:
            assert tenant.read() == set(range(100))
            tenant.write(100)

    def test_nothing_is_left_when_it_is_deleted(self, home: Platform) -> None:
        home.delete(NAME)


def test_a_kill_between_claim_and_record_loses_nothing(home: Platform) -> None:
    home.kill()
    home.start(DBYARD_RUNNING_SPARES="1")
    spare = await_spare(home)
    home.kill()
    assert processes.is_alive(spare)
    killed = home.start(program=KILLER, KILL_AT="create allocate effect", DBYARD_RUNNING_SPARES="1").process
    assert killed is not None
    with home.client() as client, suppress(Unreachable):
        client.create_database(new_database(NAME, TECHNOLOGY))
    assert killed.wait(60) == -signal.SIGKILL, home.log()
    assert processes.is_alive(spare)
    home.start(DBYARD_RUNNING_SPARES="1")
    connection = home.await_usable(NAME)
    assert home.server(connection.port) == spare
    assert tenants.answers(TECHNOLOGY, connection.url)
    check_given_back(home, await_spare(home))
    home.delete(NAME)


def check_given_back(home: Platform, spare: Process) -> None:
    """Nobody has claimed it when the setting says that there should be none."""
    home.kill()
    home.start()
    wait_for(lambda: not list((home.home / "spares").iterdir()), home.log, SECONDS)
    assert not processes.is_alive(spare)
