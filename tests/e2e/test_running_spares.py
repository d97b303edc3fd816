"""Running spares of real servers: claimed, killed at, given back, and in the end nothing is left of them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from dbyard import catalogue, installations
from dbyard.errors import Unreachable
from dbyard.model import engines_home
from dbyard.runtimes.local import processes
from dbyard.runtimes.local.processes import Process
from tests.e2e import tenants
from tests.e2e.platforms import Platform, cgroups_of, new_database, platform, require, wait_for
from tests.e2e.test_killed_platform import KILLER

NAME = "spared-db"
FIRST = "first-db"
VERSIONS = {
    "redis": "7.0",
    "postgresql": "17",
    "mysql": "9.7",
    "mariadb": "10.11",
    "mongodb": "0.7",
    "elasticsearch": "2.19",
}
SHARED = {"elasticsearch": "opensearch", "mariadb": "mysql"}
SECONDS = 180

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or installations.find_tool("bwrap") is None, reason="needs root and bubblewrap"
)


@pytest.fixture(scope="module", params=VERSIONS)
def technology(request: pytest.FixtureRequest) -> str:
    """Some that start fast and one that starts slowly."""
    require(request.param, VERSIONS[request.param])
    return str(request.param)


@pytest.fixture(scope="module")
def home(technology: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that knows one server only: the spares of the others would take their time."""
    known = tmp_path_factory.mktemp("engines")
    others = catalogue.load().technologies.keys() - {technology, SHARED.get(technology)}
    for entry in engines_home().iterdir():
        if entry.name not in others:
            (known / entry.name).symlink_to(entry)
    with platform(DBYARD_ENGINES=str(known), DBYARD_RUNNING_SPARES="1") as made:
        yield made


def start(home: Platform, technology: str) -> None:
    """Serve the home; spares are like the database that is there."""
    home.start()
    with home.client() as client:
        there = [each.name for each in client.list_databases()]
    if FIRST not in there:
        home.create(FIRST, technology)


def delete_both(home: Platform) -> None:
    with home.client() as client:
        client.delete_database(FIRST, confirm=FIRST)
    home.delete(NAME)


def await_spare(home: Platform, technology: str) -> Process:
    """The server of the spare that waits."""
    found = wait_for(lambda: list((home.home / "spares").glob(f"running-{technology}-*")), home.log, SECONDS)
    return server_of(found[0])


def server_of(directory: Path) -> Process:
    found = processes.find_recorded(json.loads((directory / "process.json").read_text()))
    assert found is not None, f"no server runs in {directory}"
    return found


class TestLife:
    """One database after the other step of its life."""

    def test_a_create_takes_the_server_that_runs(self, home: Platform, technology: str) -> None:
        start(home, technology)
        spare = await_spare(home, technology)
        connection = home.create(NAME, technology)
        assert home.server(connection.port) == spare
        with closing(tenants.connect(technology, connection.url)) as tenant:
            tenant.write_many(range(100))  # in OpenSearch into an index that is new
            assert tenant.read() == set(range(100))

    def test_stop_ends_it_and_the_next_spare(self, home: Platform, technology: str) -> None:
        running = [await_spare(home, technology), home.server(home.await_usable(NAME).port)]
        home.stop()
        assert not any(map(processes.is_alive, running))
        assert home.servers() == []
        assert list((home.home / "spares").iterdir()) == []
        assert cgroups_of(home.home) == []

    def test_it_comes_back_as_any_other(self, home: Platform, technology: str) -> None:
        connection = home.start(DBYARD_RUNNING_SPARES="0").await_usable(NAME)
        tenants.await_answer(technology, connection.url, SECONDS)
        assert str(home.directory(connection.port)) in " ".join(home.server(connection.port).argv)
        with closing(tenants.connect(technology, connection.url)) as tenant:
            assert tenant.read() == set(range(100))
            tenant.write(100)

    def test_nothing_is_left_when_it_is_deleted(self, home: Platform) -> None:
        delete_both(home)


@pytest.mark.parametrize("technology", ["redis"], indirect=True)  # the runtime's affair, whatever the server
def test_a_kill_between_claim_and_record_loses_nothing(home: Platform, technology: str) -> None:
    home.kill()
    start(home, technology)
    spare = await_spare(home, technology)
    home.kill()
    assert processes.is_alive(spare)
    killed = home.start(program=KILLER, KILL_AT="create allocate effect").process
    assert killed is not None
    with home.client() as client, suppress(Unreachable):
        client.create_database(new_database(NAME, technology))
    assert killed.wait(60) == -signal.SIGKILL, home.log()
    assert processes.is_alive(spare)
    home.start()
    connection = home.await_usable(NAME)
    assert home.server(connection.port) == spare
    assert tenants.answers(technology, connection.url)
    check_given_back(home, await_spare(home, technology))
    delete_both(home)


def check_given_back(home: Platform, spare: Process) -> None:
    """Nobody has claimed it when the setting says that there should be none."""
    home.kill()
    home.start(DBYARD_RUNNING_SPARES="0")
    wait_for(lambda: not list((home.home / "spares").iterdir()), home.log, SECONDS)
    assert not processes.is_alive(spare)
