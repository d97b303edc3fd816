"""Long work beside a database: a job that runs while its server is killed, fills its disk and is written to, and while
the platform is killed; and a second instance that takes the place of the first.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from dbyard import wire
from dbyard.errors import Conflict
from dbyard.model import MIB
from dbyard.store import operations
from tests.e2e import extra_kinds, tenants
from tests.e2e.killer import MOMENTS
from tests.e2e.platforms import Platform, kill_processes, wait_for

SERVE = ("-m", "tests.e2e.extra_kinds", "serve")
NAME = "long-db"


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """The two kinds, in this process as in the platform's."""
    with extra_kinds.registered():
        yield


def ask(home: Platform, database_id: str, kind: str) -> str:
    """Queue an operation as the platform itself would; its id."""
    with closing(sqlite3.connect(home.home / "state" / "dbyard.db", timeout=30)) as connection, connection:
        connection.create_function("steady", 1, lambda now: now)  # the platform's clock was set by the same one
        return operations.insert(connection, database_id, kind, time.time())


def find(home: Platform, operation_id: str) -> wire.Operation:
    with home.client() as client:
        return next(each for each in client.list_operations(NAME) if each.id == operation_id)


def work_of(home: Platform, operation_id: str) -> Path:
    """The directory in which the job of the operation works, once it is there."""
    place = home.home / "jobs" / f"{operation_id}-run"
    return wait_for(lambda: next(place.glob("work"), None), home.log, 90)


def let_go(home: Platform, operation_id: str, word: str = "go") -> None:
    new = work_of(home, operation_id) / "new"
    new.write_text(word)
    new.chmod(0o644)
    new.rename(new.with_name("go"))


def await_end(home: Platform, operation_id: str) -> wire.Operation:
    wait_for(lambda: find(home, operation_id).finished_at, home.log, 120)
    return find(home, operation_id)


def status(home: Platform) -> str:
    with home.client() as client:
        return client.get_details(NAME).status


class TestBeside:
    def test_a_database_is_healed_restricted_and_written_to(self, fresh: Platform) -> None:
        connection = fresh.start(program=SERVE).create(NAME, "redis")
        with fresh.client() as client:
            database_id = client.get_database(NAME).id
        operation_id = ask(fresh, database_id, extra_kinds.WATCH_JOB)
        work_of(fresh, operation_id)
        wait_for(lambda: find(fresh, operation_id).progress, fresh.log, 90)
        assert status(fresh) == "running"

        kill_processes([fresh.server(connection.port)])
        tenants.await_answer("redis", connection.url, 20)
        fresh.await_usable(NAME)
        assert status(fresh) == "running"

        ballast = fresh.directory(connection.port) / "data" / "ballast"
        with ballast.open("wb") as file:
            file.write(bytes(1000 * MIB))
        wait_for(lambda: restriction(fresh) == "read_only", fresh.log, 90)
        assert status(fresh) == "running"
        ballast.unlink()
        wait_for(lambda: restriction(fresh) == "none", fresh.log, 90)
        wait_for(lambda: writes(connection.url), fresh.log, 90)  # it is wanted first, and so a moment later

        running = find(fresh, operation_id)
        assert (running.status, running.step, running.cancellable) == ("pending", "run", True)
        let_go(fresh, operation_id)
        assert await_end(fresh, operation_id).status == "done"
        kinds = [each["kind"] for each in all_operations(fresh)]
        assert {"heal", "configure"} <= set(kinds)

    def test_its_progress_and_its_result_are_shown(self, fresh: Platform) -> None:
        fresh.start(program=SERVE).create(NAME, "redis")
        operation_id = ask(fresh, database_of(fresh), extra_kinds.WATCH_JOB)
        seen: set[float] = set()

        def goes_on() -> bool:
            progress = find(fresh, operation_id).progress
            if progress is not None:
                assert (progress.total, progress.unit) == (1000.0, "checks")
                seen.add(progress.done)
            return len(seen) > 1

        wait_for(goes_on, fresh.log, 90)
        let_go(fresh, operation_id)
        await_end(fresh, operation_id)
        with closing(sqlite3.connect(fresh.home / "state" / "dbyard.db")) as connection:
            (result,) = connection.execute("SELECT result FROM operation WHERE id = ?", (operation_id,)).fetchone()
        assert json.loads(json.loads(result)["said"])["checks"] >= max(seen)
        assert not list((fresh.home / "jobs").iterdir())

    def test_it_can_be_cancelled_and_tried_again(self, fresh: Platform) -> None:
        fresh.start(program=SERVE).create(NAME, "redis")
        operation_id = ask(fresh, database_of(fresh), extra_kinds.WATCH_JOB)
        work_of(fresh, operation_id)
        with fresh.client() as client:
            assert client.cancel_operation(NAME, operation_id).id == operation_id
            ended = await_end(fresh, operation_id)
            assert ended.error is not None
            assert (ended.error.code, ended.retriable, ended.cancellable) == ("cancelled", True, False)
            assert not list((fresh.home / "jobs").iterdir())
            with pytest.raises(Conflict, match="has ended"):
                client.cancel_operation(NAME, operation_id)
            again = client.retry_operation(NAME, operation_id)
            let_go(fresh, again.id)
            assert await_end(fresh, again.id).status == "done"

    def test_a_job_that_fails_is_tried_again_with_its_last_lines(self, fresh: Platform) -> None:
        fresh.start(program=SERVE).create(NAME, "redis")
        operation_id = ask(fresh, database_of(fresh), extra_kinds.WATCH_JOB)
        let_go(fresh, operation_id, "fail")
        wait_for(lambda: find(fresh, operation_id).steps, fresh.log, 90)
        failed = find(fresh, operation_id).steps[0]
        assert (failed.step, failed.outcome) == ("run", "job_failed")
        assert "exit code 7" in failed.message
        assert "told to fail" in failed.message

    def test_a_delete_ends_it(self, fresh: Platform) -> None:
        fresh.start(program=SERVE).create(NAME, "redis")
        operation_id = ask(fresh, database_of(fresh), extra_kinds.WATCH_JOB)
        work_of(fresh, operation_id)
        fresh.delete(NAME)
        assert not list((fresh.home / "jobs").iterdir())


class TestKilledPlatform:
    @pytest.mark.parametrize(
        "point", [f"{extra_kinds.WATCH_JOB} {step} {moment}" for step in ("run", "finish") for moment in MOMENTS]
    )
    def test_learns_afterwards_how_the_job_went(self, fresh: Platform, point: str) -> None:
        fresh.start(program=SERVE).create(NAME, "redis")
        database_id = database_of(fresh)
        fresh.kill()
        killed = fresh.start(program=SERVE, KILL_AT=point).process
        operation_id = ask(fresh, database_id, extra_kinds.WATCH_JOB)
        let_go(fresh, operation_id)
        assert killed is not None
        assert killed.wait(120) == -9, fresh.log()
        fresh.start(program=SERVE)
        assert await_end(fresh, operation_id).status == "done"
        assert not list((fresh.home / "jobs").iterdir())

    def test_does_not_end_the_job(self, fresh: Platform) -> None:
        fresh.start(program=SERVE).create(NAME, "redis")
        operation_id = ask(fresh, database_of(fresh), extra_kinds.WATCH_JOB)
        work_of(fresh, operation_id)
        fresh.kill()
        let_go(fresh, operation_id)
        fresh.start(program=SERVE)
        assert await_end(fresh, operation_id).status == "done"


class TestSecondInstance:
    def test_takes_the_place_of_the_first(self, fresh: Platform) -> None:
        self.check(fresh, None)

    @pytest.mark.parametrize("step", extra_kinds.STEPS[extra_kinds.REPLACE_PRIMARY])
    def test_also_where_the_platform_is_killed_after_a_step(self, fresh: Platform, step: str) -> None:
        self.check(fresh, f"{extra_kinds.REPLACE_PRIMARY} {step} effect")

    def check(self, home: Platform, point: str | None) -> None:
        before = home.start(program=SERVE).create(NAME, "postgresql")
        with closing(tenants.connect("postgresql", before.url)) as tenant:
            tenant.write_many(range(100))
        first, server = instances_of(home), home.server(before.port)
        if point is not None:
            home.kill()
            home.start(program=SERVE, KILL_AT=point)
        operation_id = ask(home, database_of(home), extra_kinds.REPLACE_PRIMARY)
        if point is not None:
            assert home.process is not None
            assert home.process.wait(120) == -9, home.log()
            home.start(program=SERVE)
        assert await_end(home, operation_id).status == "done", home.log()
        assert home.await_usable(NAME) == before
        with closing(tenants.connect("postgresql", before.url)) as tenant:
            assert tenant.read() == set(range(100))
            tenant.write(100)
        roles = instances_of(home)
        assert sorted(roles.values()) == ["primary", "retired"]
        assert roles[next(iter(first))] == "retired"
        assert home.server(before.port).pid != server.pid
        home.delete(NAME)


def instances_of(home: Platform) -> dict[str, str]:
    """The role of each instance, by its id."""
    with closing(sqlite3.connect(home.home / "state" / "dbyard.db")) as connection:
        return dict(connection.execute("SELECT id, role FROM instance").fetchall())


def database_of(home: Platform) -> str:
    with home.client() as client:
        return client.get_database(NAME).id


def writes(url: str) -> bool:
    with closing(tenants.connect("redis", url)) as tenant:
        try:
            tenant.write(1)
        except tenants.ERRORS:
            return False
        return tenant.read() == {1}


def restriction(home: Platform) -> str:
    with home.client() as client:
        return client.get_details(NAME).disk.restriction


def all_operations(home: Platform) -> list[dict[str, str]]:
    with home.client() as client:
        return [{"kind": each.kind, "status": each.status} for each in client.list_operations(NAME)]
