"""delete, step by step, and as what overtakes a create at any of its steps."""

from __future__ import annotations

import pytest

from dbyard.errors import NotFound, StaleGeneration
from dbyard.model import OperationStatus
from dbyard.service.databases import databases
from tests.operations.conftest import NAME, Bench, await_gone


@pytest.fixture
def database(bench: Bench) -> str:
    """The id of a database that runs."""
    database_id = bench.create()
    bench.finish()
    return database_id


class TestRequest:
    def test_hides_the_database_and_frees_its_name_at_once(self, bench: Bench, database: str) -> None:
        bench.delete()
        with pytest.raises(NotFound):
            databases.get(bench.service, bench.principal, NAME)
        assert databases.list_all(bench.service, bench.principal) == []
        assert bench.is_running(bench.instance(database))
        bench.finish()
        assert bench.create() != database


class TestDestroy:
    def test_leaves_nothing_on_the_machine(self, bench: Bench, database: str) -> None:
        pid = bench.pid(bench.instance(database))
        bench.delete()
        operation = bench.advance(bench.claim())
        assert operation.step == "forget"
        await_gone(pid)
        assert {line for line in bench.leftovers() if not line.startswith("row")} == set()

    def test_twice_changes_nothing(self, bench: Bench, database: str) -> None:
        bench.delete()
        operation = bench.claim()
        bench.act(operation)
        assert bench.advance(operation).step == "forget"


class TestForget:
    def test_removes_every_row(self, bench: Bench, database: str) -> None:
        bench.delete()
        bench.finish()
        assert bench.leftovers() == []

    def test_comes_again_until_it_is_done(self, bench: Bench, database: str) -> None:
        """A platform that was killed in between has the same step again."""
        bench.delete()
        operation = bench.advance_to("forget")
        bench.act(operation)
        assert "row of database" in bench.leftovers()
        bench.queue.run(operation)
        assert bench.leftovers() == []


class TestOvertaking:
    @pytest.mark.parametrize("step", ["allocate", "start", "configure"])
    def test_a_create_before_it_acted(self, bench: Bench, step: str) -> None:
        bench.create()
        create = bench.advance_to(step)
        bench.delete()
        assert bench.latest(create).error_code == "superseded"
        bench.finish()
        assert bench.queue._advance(create) is None
        assert bench.leftovers() == []

    @pytest.mark.parametrize("step", ["allocate", "start", "configure"])
    def test_a_create_between_its_act_and_its_record(self, bench: Bench, step: str) -> None:
        bench.create()
        create = bench.advance_to(step)
        outcome = bench.act(create)
        bench.delete()
        assert bench.queue._apply(create, outcome) is None
        assert bench.latest(create).status is OperationStatus.ERROR
        assert bench.latest(create).step == step
        bench.finish()
        assert bench.leftovers() == []

    def test_a_create_that_hangs_cannot_bring_the_server_back(self, bench: Bench) -> None:
        database_id = bench.create()
        create = bench.advance_to("start")
        instance = bench.instance(database_id)
        bench.delete()
        delete = bench.claim()
        bench.act(delete)  # destroyed, its rows still there
        with pytest.raises(StaleGeneration):
            bench.act(create)
        assert not bench.is_running(instance)
        bench.queue.run(delete)
        assert bench.leftovers() == []
