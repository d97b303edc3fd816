"""A platform's inside, driven by hand: the store, a real runtime, real Redis servers, and a clock that tests move."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import redis

from dbyard import engines, installations
from dbyard.catalogue import Catalogue
from dbyard.engines import redis as engine
from dbyard.metrics import Metrics
from dbyard.model import (
    Address,
    Credentials,
    Instance,
    InstanceSpec,
    InstanceState,
    Layout,
    Operation,
    OperationStatus,
    Principal,
    RenderInput,
)
from dbyard.operations import Context, Outcome
from dbyard.operations.kinds import KINDS
from dbyard.reconciler.queue import Queue
from dbyard.runtimes.fake import FakeRuntime
from dbyard.runtimes.local import LocalRuntime, members, processes
from dbyard.service import Service
from dbyard.service.databases import connection as connections
from dbyard.service.databases import create, databases
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import Connection, Store, accounts, endpoints, instances, operations
from tests.conftest import Clock
from tests.disks import make_directory
from tests.e2e.platforms import claimed_ports, require
from tests.operations.fakes import FakeBench, FakeEngine, make_queue
from tests.ports import PLATFORMS, bounds

NAME = "steps-db"
FAKE_NAME = "fake-db"
TECHNOLOGY = "redis"
SECONDS = 10.0


@dataclass(frozen=True)
class Bench:
    """Everything that steps work with; operations advance only when a test says so."""

    context: Context
    service: Service
    queue: Queue
    runtime: LocalRuntime
    home: Path
    principal: Principal

    def create(self, name: str = NAME, technology: str = TECHNOLOGY) -> str:
        """Ask for a database; its id."""
        plan = self.context.catalogue.technologies[technology].plans[0].name
        create.create(self.service, self.principal, CreateRequest(name, technology, plan))
        return self.claimable().database_id

    def delete(self, name: str = NAME) -> None:
        databases.delete(self.service, self.principal, name, name)

    def claimable(self) -> Operation:
        """The active operation; not claimed."""
        with self.context.store.read() as connection:
            (found,) = connection.execute("SELECT database_id FROM operation WHERE status = 'pending'").fetchall()
            return operations.list_for(connection, found["database_id"])[0][0]

    def claim(self) -> Operation:
        operation = self.queue.claim()
        assert operation is not None, "no operation is due"
        return operation

    def act(self, operation: Operation) -> Outcome:
        """What the operation's step does and returns, nothing recorded."""
        return KINDS[operation.kind].steps[operation.step](self.context, operation)

    def advance(self, operation: Operation) -> Operation:
        """Its next step, under the same claim unless it was given back."""
        following = self.queue._advance(operation)
        if following is None and self._is_released(operation):
            following = self.claim()
        assert following is not None, f"{operation.kind} stopped at {operation.step}: {self.latest(operation)}"
        return following

    def advance_to(self, step: str) -> Operation:
        """Claim the due operation and bring it to a step, which has not run yet."""
        operation = self.claim()
        while operation.step != step:
            operation = self.advance(operation)
        return operation

    def finish(self) -> None:
        """Run the due operation to its end."""
        operation = self.claim()
        self.queue.run(operation)
        if self._is_released(operation):
            self.queue.run(self.claim())

    def _is_released(self, operation: Operation) -> bool:
        """Whether it goes on at once under another claim."""
        with self.context.store.read() as connection:
            found = operations.get(connection, operation.id)
        return found is not None and (found.status, found.error_code) == (OperationStatus.PENDING, None)

    def latest(self, operation: Operation) -> Operation:
        with self.context.store.read() as connection:
            found = operations.list_for(connection, operation.database_id)
        return next(each for each, _ in found if each.id == operation.id)

    def history(self, operation: Operation) -> list[tuple[str, str, str]]:
        with self.context.store.read() as connection:
            found = {each.id: events for each, events in operations.list_for(connection, operation.database_id)}
        return [(event.step, event.outcome, event.message) for event in found[operation.id]]

    def instance(self, database_id: str) -> Instance:
        with self.context.store.read() as connection:
            found = instances.get_primary(connection, database_id)
        assert found is not None
        return found

    def address(self, database_id: str) -> Address:
        """Where the database is reached."""
        with self.context.store.read() as connection:
            endpoint, *_ = endpoints.list_for(connection, database_id)
        assert endpoint.address is not None
        return endpoint.address

    def pid(self, instance: Instance) -> int:
        process = members.find(self.runtime._home, instance.id, members.SERVER)
        assert process is not None
        return process.pid

    def is_running(self, instance: Instance) -> bool:
        return self.runtime.status(instance.id).state is InstanceState.RUNNING

    def stop(self, instance_id: str) -> None:
        """Stop an instance as an operation does it."""
        self.runtime.stop(instance_id)
        assert processes.wait_until(lambda: self._is_stopped(instance_id), SECONDS)

    def _is_stopped(self, instance_id: str) -> bool:
        self.runtime.stop(instance_id)
        return self.runtime.status(instance_id).state is InstanceState.STOPPED

    def answers(self) -> bool:
        """Whether the tenant is let in at the URL that the platform gives."""
        url = connections.get(self.service, self.principal, NAME).url
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())

    def rows(self) -> dict[str, int]:
        tables = ("database", "instance", "endpoint", "credential", "operation", "operation_event")
        with self.context.store.read() as connection:
            return {table: _count(connection, table) for table in tables if _count(connection, table)}

    def leftovers(self) -> list[str]:
        """What is on the machine of this home's servers."""
        found = [
            str(path)
            for place in ("instances", "spares", "trash", "endpoints", "jobs")
            for path in (self.home / place).iterdir()
        ]
        found += [f"claim of port {port}" for port in claimed_ports(self.home)]
        return found + [f"row of {table}" for table in self.rows()]


@pytest.fixture
def home() -> Iterator[Path]:
    directory = make_directory()
    directory.chmod(0o711)
    yield directory / "home"
    shutil.rmtree(directory)


@pytest.fixture
def runtime(home: Path) -> Iterator[LocalRuntime]:
    made = LocalRuntime(home, "127.0.0.1", bounds(PLATFORMS), installations.find_tool("bwrap"), installations.find)
    yield made
    for instance_id in made.list_instances():
        made.destroy(instance_id, sys.maxsize)


@pytest.fixture
def bench(
    store: Store, catalogue: Catalogue, service: Service, runtime: LocalRuntime, home: Path, clock: Clock, token: str
) -> Bench:
    require(TECHNOLOGY, catalogue.technologies[TECHNOLOGY].default_version.version)
    service = replace(service, resolve=runtime.resolve, logs=runtime.logs, log_state=runtime.log_state)
    context = Context(
        store,
        catalogue,
        service.box,
        service.authority,
        runtime,
        runtime.host,
        runtime.spares,
        Metrics(),
        service.archive,
        clock,
    )
    with store.read() as connection:
        admin = accounts.find_account(connection, "admin")
    assert admin is not None
    return Bench(context, service, Queue(context, threading.Event(), 0), runtime, home, Principal(admin, ""))


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a shell script in the place of the Redis server."""
    real = engine.render

    def play(script: str) -> None:
        def render(node: RenderInput, layout: Layout, credentials: Credentials) -> InstanceSpec:
            spec = real(node, layout, credentials)
            played = replace(spec.server, argv=("/bin/sh", "-c", script, str(layout.data)), stop_grace=0.5)
            return replace(spec, processes=(played,))

        monkeypatch.setattr(engine, "render", render)

    return play


def await_gone(pid: int) -> None:
    assert processes.wait_until(lambda: processes.read(pid) is None, SECONDS)


def _count(connection: Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


@pytest.fixture
def fake_bench(service: Service, store: Store, clock: Clock, token: str, monkeypatch: pytest.MonkeyPatch) -> FakeBench:
    runtime = FakeRuntime(clock)
    engine = FakeEngine(runtime)
    monkeypatch.setattr(engines, "load", lambda _: engine)
    context = Context(
        store,
        service.catalogue,
        service.box,
        service.authority,
        runtime,
        runtime.host,
        runtime.spares,
        Metrics(),
        service.archive,
        clock,
    )
    with store.read() as connection:
        admin = accounts.find_account(connection, "admin")
    assert admin is not None
    return FakeBench(context, service, make_queue(context), runtime, engine, Principal(admin, ""))


@pytest.fixture
def fake_instance(fake_bench: FakeBench) -> str:
    """Of a database that runs."""
    create.create(fake_bench.service, fake_bench.principal, CreateRequest(FAKE_NAME, "redis", "redis-starter-128"))
    fake_bench.run(fake_bench.claim())
    (found,) = fake_bench.runtime.list_instances()
    return found
