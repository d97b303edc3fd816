"""What is seen of servers and of the home, told although nothing can be written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from dbyard.errors import Conflict, Unavailable
from dbyard.metrics import Metrics
from dbyard.model import DatabaseStatus, InstanceState, InstanceStatus
from dbyard.reconciler.observed import UNWRITABLE, Observed
from dbyard.service import Service
from dbyard.service.accounts import authentication
from dbyard.service.databases import connection, status
from dbyard.service.databases.create import create
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import Store, instances
from dbyard.web.app import create_app
from tests.builders import get_ready

NAME = "seen-redis-db"


@dataclass
class Servers:
    """A runtime that knows only whether servers run."""

    state: InstanceState = InstanceState.STOPPED

    def status(self, _instance_id: str) -> InstanceStatus:
        return InstanceStatus(self.state)


@pytest.fixture
def servers() -> Servers:
    return Servers()


@pytest.fixture
def observed(store: Store, servers: Servers) -> Observed:
    context: Any = SimpleNamespace(store=store, runtime=servers)
    return Observed(context)


@pytest.fixture
def seeing(service: Service, observed: Observed) -> Service:
    return replace(service, seen_down=observed.reason, trouble=observed.trouble)


@pytest.fixture
def instance_id(service: Service, token: str) -> str:
    create(service, authentication.authenticate(service, token), CreateRequest(NAME, "redis", "redis-starter-256"))
    get_ready(service)
    with service.store.read() as reading:
        (found,) = instances.list_monitored(reading)
    return found.id


class TestServers:
    def test_that_is_seen_down_is_stopped_and_has_no_url(
        self, seeing: Service, observed: Observed, instance_id: str, token: str
    ) -> None:
        principal = authentication.authenticate(seeing, token)
        assert connection.get(seeing, principal, NAME).url
        observed.note_down({instance_id: "it was killed"})
        report = status.get_overview(seeing, principal, NAME).report
        assert (report.status, report.error) == (DatabaseStatus.STOPPED, "it was killed")
        with pytest.raises(Conflict, match="it was killed"):
            connection.get(seeing, principal, NAME)
        observed.note_down({})
        assert status.get_overview(seeing, principal, NAME).report.status is DatabaseStatus.RUNNING

    def test_that_runs_again_is_not_down(self, observed: Observed, servers: Servers) -> None:
        observed.note_down({"i": "it was killed"})
        servers.state = InstanceState.RUNNING
        assert observed.reason("i") is None

    def test_that_is_silent_too(self, observed: Observed) -> None:
        observed.note_silent({"i": "it does not answer"})
        assert observed.reason("i") == "it does not answer"
        assert observed.reason("other") is None

    def test_that_can_write_nothing_are_all_down(self, observed: Observed, servers: Servers) -> None:
        observed.note_down({"i": "it was killed"})
        servers.state = InstanceState.RUNNING
        observed.note_silent({"j": "it does not answer"})
        observed.note_home("the home cannot be written")
        assert observed.reason("i") == UNWRITABLE  # it runs again
        assert observed.reason("j") == UNWRITABLE
        observed.note_home("")
        assert observed.reason("j") == "it does not answer"

    def test_answers_that_are_kept_are_told_anew(self, observed: Observed, store: Store) -> None:
        told = iter(["running", "stopped"])
        assert store.cached("status", lambda _: next(told)) == "running"
        observed.note_down({"i": "it was killed"})
        assert store.cached("status", lambda _: next(told)) == "stopped"
        observed.note_down({"i": "it was killed"})
        assert store.cached("status", lambda _: "again") == "stopped"


class TestTrouble:
    def test_of_the_home_is_told_to_who_asks_for_its_health(self, seeing: Service, observed: Observed) -> None:
        with TestClient(create_app(seeing, Metrics())) as client:
            assert client.get("/healthz").status_code == 200
            observed.note_home("the home cannot be written")
            answer = client.get("/healthz")
            assert (answer.status_code, answer.json()["error"]) == (503, "the home cannot be written")
            observed.note_home("")
            assert client.get("/healthz").status_code == 200

    def test_of_the_state_ends_with_the_next_write(self, observed: Observed, store: Store) -> None:
        pages = store._writer.execute("PRAGMA page_count").fetchone()[0]
        store._writer.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(Unavailable), store.tx() as connection:
            connection.execute("CREATE TABLE more AS SELECT zeroblob(100000)")
        assert "cannot write its state" in str(observed.trouble())
        store._writer.execute("PRAGMA max_page_count = 1000000")
        store.check_writable()
        assert observed.trouble() is None
