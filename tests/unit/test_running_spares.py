"""Which running spares are kept, started, and given back; their servers are played."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from dbyard.catalogue import Catalogue
from dbyard.errors import TemporaryError
from dbyard.metrics import Metrics
from dbyard.model import MIB, Allocation, Capacity, Database, Release
from dbyard.operations import Context
from dbyard.reconciler import running_spares, spares
from dbyard.reconciler.running_spares import RunningSpares, back_off, leaves_enough
from dbyard.reconciler.spares import Spares
from dbyard.runtimes import Spare, kind_of_spare
from dbyard.service import Service
from dbyard.store import databases
from tests.builders import PLACEMENT
from tests.conftest import World

GIB = 1024 * MIB
ELASTICSEARCH = "running-elasticsearch-2.19.1-elasticsearch-starter-512"
OPENSEARCH = "running-opensearch-2.19.1-opensearch-starter-1024"


@dataclass
class Played:
    """A runtime of which only the spare pool is real."""

    pool: list[Spare] = field(default_factory=list)
    free: int = 20 * GIB
    sandbox: bool = True
    made: int = 0

    missing: set[tuple[str, str]] = field(
        default_factory=lambda: {("redis", "7.0"), ("mysql", "9.7"), ("mariadb", "10.11")}
    )

    def resolve(self, technology: str, version: str, full_version: str | None = None) -> Release | None:
        return None if (technology, version) in self.missing else Release(technology, version, f"{version}.1")

    def may_run(self) -> bool:
        return self.sandbox

    def has_room(self) -> bool:
        return True

    def memory(self) -> Capacity:
        return Capacity(24 * GIB, self.free)

    def list(self, *, running: bool) -> Sequence[Spare]:
        return [each for each in self.pool if each.kind.startswith("running-") == running]

    def count(self, release: Release) -> int:
        return sum(each.kind == kind_of_spare(release) for each in self.pool)

    def new_spare(self) -> tuple[str, Allocation]:
        self.made += 1
        return f"spare-{self.made}", Allocation(PLACEMENT, "lineage")

    def offer(self, spare_id: str, kind: str) -> None:
        self.pool.append(Spare(spare_id, kind, alive=True))

    def discard(self, spare_id: str) -> None:
        self.pool = [each for each in self.pool if each.id != spare_id]

    def kinds(self) -> Sequence[str]:
        return sorted(each.kind for each in self.pool)

    def die(self) -> None:
        self.pool = [replace(each, alive=False) for each in self.pool]


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def played() -> Played:
    return Played()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(running_spares, "time", time)
    monkeypatch.setattr(spares, "time", time)
    return time


@pytest.fixture
def context(service: Service, catalogue: Catalogue, world: World, played: Played) -> Context:
    parts: Any = played
    return Context(
        service.store,
        catalogue,
        service.box,
        service.authority,
        parts,
        parts,
        parts,
        Metrics(),
        service.archive,
        lambda: 0.0,
    )


def create(context: Context, technology: str, version: str, plan: str) -> str:
    """A database that somebody has created; its id."""
    with context.store.tx() as connection:
        (project,) = connection.execute("SELECT id FROM project").fetchone()
        name = secrets.token_hex(12)
        databases.insert(connection, Database(name, name, project, technology, version, plan, 1.0, None))
    return name


@pytest.fixture
def keep(context: Context, token: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], RunningSpares]:
    monkeypatch.setattr(RunningSpares, "_start", lambda *_: None)
    for technology, plan in (("elasticsearch", "elasticsearch-starter-512"), ("opensearch", "opensearch-starter-1024")):
        create(context, technology, "2.19", plan)
    return lambda count: RunningSpares(context, threading.Event(), count, lambda: False)


class TestLook:
    def test_starts_one_at_a_time_until_there_are_enough(
        self, keep: Callable[[int], RunningSpares], played: Played, time: Time
    ) -> None:
        kept = keep(2)
        for number in range(1, 7):
            kept.run_once()
            assert len(played.pool) == min(number, 4)
        assert played.kinds() == [ELASTICSEARCH] * 2 + [OPENSEARCH] * 2

    def test_none_before_there_is_a_first_database(
        self, context: Context, played: Played, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept = RunningSpares(context, threading.Event(), 1, lambda: False)
        kept.run_once()
        assert (played.pool, played.made) == ([], 0)

    def test_of_the_version_and_plan_that_were_created_last(
        self, keep: Callable[[int], RunningSpares], context: Context, played: Played, time: Time
    ) -> None:
        played.missing = set()
        kept = keep(1)
        create(context, "redis", "7.0", "redis-starter-128")
        last = create(context, "redis", "8.0", "redis-starter-512")
        create(context, "opensearch", "2.19", "opensearch-starter-2048")
        for _ in range(4):
            kept.run_once()
        larger = OPENSEARCH.replace("1024", "2048")
        assert played.kinds() == [ELASTICSEARCH, larger, "running-redis-8.0.1-redis-starter-512"]
        with context.store.tx() as connection:
            databases.delete(connection, last, 2.0)
            databases.forget(connection, last)
        kept.run_once()
        assert "running-redis-8.0.1-redis-starter-512" in played.kinds(), "another like it may follow"
        create(context, "redis", "7.0", "redis-starter-128")
        kept.run_once()
        assert played.kinds() == [ELASTICSEARCH, larger, "running-redis-7.0.1-redis-starter-128"]

    def test_of_servers_that_are_there_and_can_be_given_away(
        self, keep: Callable[[int], RunningSpares], played: Played, world: World, time: Time
    ) -> None:
        played.missing |= {("elasticsearch", "2.19")}
        kept = keep(1)
        for _ in range(3):
            kept.run_once()
        assert played.kinds() == [OPENSEARCH]

    def test_discards_all_when_none_are_wanted(
        self, keep: Callable[[int], RunningSpares], played: Played, time: Time
    ) -> None:
        played.pool = [Spare("spare-a", ELASTICSEARCH, alive=True), Spare("spare-b", "redis-7.0.1", alive=False)]
        keep(0).run_once()
        assert played.kinds() == ["redis-7.0.1"]

    def test_discards_what_is_too_many_and_what_was_upgraded(
        self, keep: Callable[[int], RunningSpares], played: Played, time: Time
    ) -> None:
        older = ELASTICSEARCH.replace("2.19.1", "2.19.0")
        kinds = [older, ELASTICSEARCH, ELASTICSEARCH, OPENSEARCH]
        played.pool = [Spare(f"spare-{number}", kind, alive=True) for number, kind in enumerate(kinds)]
        keep(1).run_once()
        assert played.kinds() == [ELASTICSEARCH, OPENSEARCH]
        assert played.made == 0

    def test_replaces_one_that_died_more_and_more_slowly(
        self, keep: Callable[[int], RunningSpares], played: Played, world: World, time: Time
    ) -> None:
        played.missing |= {("elasticsearch", "2.19")}
        kept = keep(1)
        kept.run_once()
        for made, delay in enumerate([30.0, 60.0, 120.0], start=2):
            played.die()
            kept.run_once()
            time.now += delay - 1
            kept.run_once()
            assert played.pool == []
            time.now += 1
            kept.run_once()
            assert played.made == made

    def test_tries_again_later_what_could_not_be_made(
        self,
        keep: Callable[[int], RunningSpares],
        played: Played,
        world: World,
        time: Time,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def refuse(*_: object) -> None:
            raise TemporaryError("no")

        played.missing |= {("elasticsearch", "2.19")}
        kept = keep(1)
        with monkeypatch.context() as patch:
            patch.setattr(RunningSpares, "_start", refuse)
            for _ in range(3):
                kept.run_once()
        assert (played.made, played.pool) == (1, [])
        time.now += 30
        kept.run_once()
        assert played.kinds() == [OPENSEARCH]

    def test_starts_none_where_memory_is_scarce(
        self, keep: Callable[[int], RunningSpares], context: Context, played: Played, time: Time
    ) -> None:
        played.free = 3300 * MIB  # room for the smaller one alone
        kept = keep(1)
        for _ in range(4):
            kept.run_once()
        assert played.kinds() == [ELASTICSEARCH]
        assert b"dbyard_running_spares_refused_total 1.0" in context.metrics.render({}, {})

    def test_gives_them_back_where_memory_becomes_scarce(
        self, keep: Callable[[int], RunningSpares], played: Played, time: Time
    ) -> None:
        kept = keep(1)
        kept.run_once()
        kept.run_once()
        assert len(played.pool) == 2
        played.free = GIB
        kept.run_once()
        assert played.pool == []


def test_without_a_sandbox_none_are_kept(
    keep: Callable[[int], RunningSpares], played: Played, caplog: pytest.LogCaptureFixture
) -> None:
    played.sandbox = False
    caplog.set_level("INFO")
    kept = keep(1)
    kept.start()
    kept.run_once()
    kept._stopping.set()
    for thread in kept.threads:
        thread.join()
    assert played.made == 0
    assert "needs root and bubblewrap" in caplog.text


@pytest.mark.parametrize(("free_mb", "wanted_mb", "enough"), [(900, 100, True), (180, 100, False), (200, 100, True)])
def test_leaves_enough(free_mb: int, wanted_mb: int, enough: bool) -> None:
    assert leaves_enough(Capacity(1000 * MIB, free_mb * MIB), wanted_mb * MIB) is enough


def test_back_off() -> None:
    assert [back_off(failures) for failures in (1, 2, 3, 20)] == [30.0, 60.0, 120.0, 1800.0]


class TestPreparedSpares:
    def test_that_nobody_can_claim_are_discarded(
        self, context: Context, played: Played, world: World, time: Time
    ) -> None:
        kinds = ["redis-7.0.1", "redis-7.0.0", "postgresql-15.1", "mysql-10.11.1", ELASTICSEARCH]
        played.pool = [Spare(f"spare-{number}", kind, alive=False) for number, kind in enumerate(kinds)]
        played.missing = {("mysql", "10.11")}
        kept = Spares(context, threading.Event(), 0, lambda: False)
        assert kept._next_needed() is None
        assert played.kinds() == ["postgresql-15.1", "redis-7.0.1", ELASTICSEARCH]
