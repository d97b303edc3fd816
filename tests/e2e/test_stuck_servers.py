"""Servers that run and do not work, by what a tenant did: they come back, and their neighbours notice nothing."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import httpx2
import pymongo
import pytest
import redis

from dbyard import wire
from dbyard.errors import Conflict
from dbyard.runtimes.local import processes
from tests.e2e import tenants
from tests.e2e.platforms import Platform, platform, wait_for

PATIENCE = 4
SECONDS = 180
VICTIM, NEIGHBOUR = "victim-db", "neighbour-db"

ENDLESS = "int f(int n) { return n <= 0 ? 0 : f(n - 1) + f(n - 1); } return f(100)"
"""Painless counts how often a loop runs, and not how often a function is called."""


@pytest.fixture(scope="module")
def home() -> Iterator[Platform]:
    with platform(DBYARD_UNRESPONSIVE_AFTER=str(PATIENCE)) as made:
        yield made.start()


@pytest.fixture
def neighbour(home: Platform) -> Iterator[None]:
    """Another database, which is asked all the time and must always answer."""
    failures: list[Exception] = []
    stopping = threading.Event()
    with closing(tenants.connect("redis", home.create(NEIGHBOUR, "redis").url)) as tenant:

        def ask() -> None:
            number = 0
            while not stopping.wait(0.05):
                number += 1
                try:
                    tenant.write(number)
                except tenants.ERRORS as error:
                    failures.append(error)

        thread = threading.Thread(target=ask)
        thread.start()
        yield
        stopping.set()
        thread.join()
    delete(home, NEIGHBOUR)
    assert failures == []


@pytest.fixture(params=["redis", "opensearch"])
def victim(request: pytest.FixtureRequest, home: Platform) -> Iterator[tuple[str, wire.Connection]]:
    yield request.param, home.create(VICTIM, request.param, seconds=SECONDS)
    delete(home, VICTIM)


def delete(home: Platform, name: str) -> None:
    with home.client() as client:
        client.delete_database(name, confirm=name)


def run_script(technology: str, url: str) -> None:
    """Something that never ends, and that the tenant cannot end itself."""
    if technology == "redis":
        with redis.Redis.from_url(url, retry=None) as client:
            client.eval("redis.call('set', 'a', 1) while true do end", 0)
        return
    query = {"script_fields": {"found": {"script": {"source": ENDLESS}}}}
    httpx2.post(f"{url}/written/_search", json=query, timeout=5)


@contextmanager
def many(work: Callable[[], None], count: int) -> Iterator[None]:
    """At once, whatever becomes of it."""

    def quietly() -> None:
        with suppress(*tenants.ERRORS, httpx2.HTTPError):
            work()

    threads = [threading.Thread(target=quietly) for _ in range(count)]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("neighbour")
def test_an_endless_script_ends_with_its_server(home: Platform, victim: tuple[str, wire.Connection]) -> None:
    technology, connection = victim
    with closing(tenants.connect(technology, connection.url)) as tenant:
        tenant.write(1)
        tenant.read()  # so that it can be found
    server = home.server(connection.port)
    with many(lambda: run_script(technology, connection.url), 10):
        healed = home.await_operation(VICTIM, lambda latest: latest.kind == "heal" and latest.status == "done", SECONDS)
    assert (healed.steps[0].step, healed.steps[0].outcome) == ("restart", "unresponsive")
    assert home.await_usable(VICTIM) == connection
    assert home.server(connection.port) != server
    with closing(tenants.connect(technology, connection.url)) as tenant:
        assert tenant.read() == {1}


def test_a_server_that_is_suspended_is_told_before_it_is_started_again(home: Platform) -> None:
    connection = home.create(VICTIM, "redis")
    server = home.server(connection.port)
    processes.send(server, signal.SIGSTOP)
    with home.client() as client:
        wait_for(lambda: client.get_details(VICTIM).status == "stopped", home.log, SECONDS)
        assert client.get_details(VICTIM).error is not None
        with pytest.raises(Conflict):
            client.get_connection(VICTIM)
        assert home.server(connection.port) == server, "it was told before"
        wait_for(lambda: client.get_details(VICTIM).status == "running", home.log, SECONDS)
    assert home.await_usable(VICTIM) == connection
    delete(home, VICTIM)


@pytest.mark.usefixtures("neighbour")
def test_a_server_that_only_takes_long_is_left_alone(home: Platform) -> None:
    """An index is built in one go, and nobody is answered meanwhile."""
    connection = home.create(VICTIM, "mongodb")
    server = home.server(connection.port)
    with pymongo.MongoClient[dict[str, object]](connection.url) as client:
        collection = client.get_default_database().written
        collection.insert_many([{"_id": number, "text": str(number)} for number in range(8000)])
        collection.create_index("text")
    assert home.latest(VICTIM).kind == "create"
    assert home.server(connection.port) == server
    delete(home, VICTIM)
