"""resize, step by step: with a restart, without one, and back when the server cannot run with the new plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from dbyard.engines import redis as engine
from dbyard.errors import Conflict, Invalid, TemporaryError
from dbyard.model import Applied, Credentials, InstanceSpec, Layout, OperationStatus, RenderInput, Restriction
from dbyard.reconciler.drift import DriftReconciler
from dbyard.service.databases import database_users, plan_changes
from dbyard.service.databases.connection import get as get_connection
from dbyard.service.databases.stats import ask
from dbyard.store import databases, instances
from tests.conftest import Clock, World
from tests.operations.conftest import NAME, Bench

SMALL, LARGE = "redis-starter-128", "redis-starter-256"


@pytest.fixture
def database_id(bench: Bench) -> str:
    """A database that runs."""
    database_id = bench.create()
    bench.finish()
    return database_id


@pytest.fixture
def large(bench: Bench, database_id: str) -> str:
    """… with the larger plan."""
    change(bench, LARGE)
    bench.finish()
    return database_id


def change(bench: Bench, plan: object) -> None:
    plan_changes.change_plan(bench.service, bench.principal, NAME, plan)


def plan_of(bench: Bench, database_id: str) -> str:
    with bench.context.store.read() as connection:
        database = databases.get(connection, database_id)
    assert database is not None
    return database.plan


def stats(bench: Bench, database_id: str) -> Mapping[str, int | float]:
    with bench.context.store.read() as connection:
        database = databases.get(connection, database_id)
    assert database is not None
    return ask(bench.service, database)


def refuse(*_: object) -> Applied:
    raise TemporaryError("no", code="resize_failed")


class TestResize:
    def test_needs_no_restart_where_the_server_can_grow(self, bench: Bench, database_id: str) -> None:
        pid = bench.pid(bench.instance(database_id))
        change(bench, LARGE)
        with pytest.raises(Conflict, match="gets another plan"):
            get_connection(bench.service, bench.principal, NAME)
        operation = bench.claim()
        bench.act(operation)  # killed before it is recorded
        bench.queue.run(operation)
        assert bench.pid(bench.instance(database_id)) == pid
        assert stats(bench, database_id)["memory_limit"] == 256 * 1024 * 1024
        assert bench.answers()

    def test_of_a_server_that_refuses_is_a_restart(
        self, bench: Bench, database_id: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pid = bench.pid(bench.instance(database_id))
        monkeypatch.setattr(engine, "configure", refuse)
        change(bench, LARGE)
        operation = bench.claimable()
        bench.finish()
        assert bench.history(operation)[0][1] == "not_resized"
        assert bench.pid(bench.instance(database_id)) != pid
        assert stats(bench, database_id)["memory_limit"] == 256 * 1024 * 1024

    def test_to_less_is_a_restart(self, bench: Bench, large: str) -> None:
        pid = bench.pid(bench.instance(large))
        change(bench, SMALL)
        bench.finish()
        assert bench.pid(bench.instance(large)) != pid
        assert stats(bench, large)["memory_limit"] == 128 * 1024 * 1024
        assert bench.answers()


class TestRestart:
    @pytest.mark.parametrize("step", ["stop", "start", "await_ready", "configure"])
    def test_killed_after_a_step_it_goes_on(self, bench: Bench, large: str, step: str) -> None:
        with bench.context.store.tx() as connection:
            found = instances.get_primary(connection, large)
            assert found is not None
            instances.set_restriction(connection, found.id, Restriction.READ_ONLY, "it is full", 1.0)
        change(bench, SMALL)
        operation = bench.advance_to(step)
        bench.act(operation)
        bench.queue.run(operation)
        assert bench.latest(operation).status is OperationStatus.DONE
        assert (plan_of(bench, large), bench.answers()) == (SMALL, True)


class TestFailure:
    def test_goes_back_to_the_plan_before(
        self, bench: Bench, large: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engine, "render", _only_with(LARGE, engine.render))
        before = get_connection(bench.service, bench.principal, NAME)
        change(bench, SMALL)
        operation = bench.claimable()
        for _ in range(8):
            if bench.latest(operation).status is not OperationStatus.ERROR:
                bench.finish()
                clock.advance(20)
        failed = bench.latest(operation)
        assert failed.status is OperationStatus.ERROR
        assert "does not run with its new plan" in (failed.error or "")
        with pytest.raises(Conflict, match="does not run"):
            get_connection(bench.service, bench.principal, NAME)
        DriftReconciler(bench.context, bench.queue._stopping, lambda: None).reconcile()
        bench.finish()
        assert plan_of(bench, large) == LARGE
        assert get_connection(bench.service, bench.principal, NAME) == before
        assert bench.answers()

    def test_before_anything_was_stopped_changes_nothing(self, bench: Bench, large: str, clock: Clock) -> None:
        pid = bench.pid(bench.instance(large))
        change(bench, SMALL)
        clock.advance(700)
        bench.finish()
        assert plan_of(bench, large) == LARGE
        assert bench.answers()
        assert bench.pid(bench.instance(large)) == pid


class TestRefused:
    def test_what_would_not_fit_into_memory(self, bench: Bench, large: str, monkeypatch: pytest.MonkeyPatch) -> None:
        told = {"memory_used": 200 * 1024 * 1024}
        monkeypatch.setattr(engine, "stats", lambda *_: told)
        with pytest.raises(Invalid, match="takes 200 MB in memory, and redis-starter-128 has 128 MB"):
            change(bench, SMALL)

    def test_what_would_not_fit_on_the_disk(self, bench: Bench, large: str, world: World) -> None:
        world.disk_used = 1000 * 1024 * 1024
        with pytest.raises(Invalid, match="takes 1000 MB on disk, and redis-starter-128 has 1024 MB"):
            change(bench, SMALL)
        assert plan_of(bench, large) == LARGE

    @pytest.mark.parametrize("plan", ["nothing", "postgresql-starter-512", None, 7])
    def test_what_is_no_plan_of_the_technology(self, bench: Bench, database_id: str, plan: object) -> None:
        with pytest.raises(Invalid, match=r"^plan "):
            change(bench, plan)

    def test_while_a_password_is_on_its_way(self, bench: Bench, database_id: str, clock: Clock) -> None:
        database_users.reset_password(bench.service, bench.principal, NAME, "default")
        clock.advance(700)
        bench.finish()
        with pytest.raises(Conflict, match="waits for its new password"):
            change(bench, LARGE)

    def test_nothing_for_the_plan_that_it_has(self, bench: Bench, database_id: str) -> None:
        change(bench, SMALL)
        assert bench.queue.claim() is None


Render = Callable[[RenderInput, Layout, Credentials], InstanceSpec]


def _only_with(plan: str, real: Render) -> Render:
    """A server that ends at once with every other plan."""

    def render(node: RenderInput, layout: Layout, credentials: Credentials) -> InstanceSpec:
        spec = real(node, layout, credentials)
        if node.plan.name == plan:
            return spec
        server = replace(spec.server, argv=("/bin/sh", "-c", "sleep 0.2; exit 3", str(layout.data)), stop_grace=0.5)
        return replace(spec, processes=(server,))

    return render
