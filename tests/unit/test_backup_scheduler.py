"""When backups are due, and which of them are kept: the rules, and that what they say is done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbyard.archive.stores import open_store
from dbyard.metrics import Metrics
from dbyard.model import DAY, Backup, BackupMethod, BackupSchedule, Principal, Verification, VerificationState
from dbyard.reconciler.backups import BackupScheduler, is_due, last_slot, list_expired
from dbyard.service import Service
from dbyard.service.databases import backups as use_cases
from dbyard.service.databases import databases
from dbyard.service.databases.create import create
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import backups, operations
from dbyard.store.backups import Scheduled
from tests.builders import get_ready, make_backup, make_context
from tests.conftest import Clock

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC).timestamp()  # a Saturday
HOUR = 3600.0


def made(
    days: float, method: BackupMethod = BackupMethod.PERIODIC, *, verified: bool = False, **changes: object
) -> Backup:
    at = NOW - days * DAY
    state = VerificationState.VERIFIED if verified else VerificationState.PENDING
    plan = changes.pop("plan", "postgresql-starter-512")
    found = Backup(
        f"b{days}", "db", "db", "postgresql", "17", "17.12", str(plan), "lineage", "app", "app", method, at, at, at,
        verification=Verification(state),
    )  # fmt: skip
    return replace(found, **changes)  # type: ignore[arg-type]


def kept(found: list[Backup], *, is_deleted: bool = False) -> list[float]:
    """The ages in days of those that are kept."""
    expired = list_expired(found, NOW, is_deleted=is_deleted)
    return [round((NOW - each.created_at) / DAY, 1) for each in found if each not in expired]


class TestDue:
    @given(st.integers(0, 10**6), st.integers(0, 23), st.floats(1e9, 2e9))
    def test_once_a_day_in_its_hour(self, number: int, hour: int, now: float) -> None:
        slot = last_slot(str(number), hour, now)
        assert now - DAY < slot <= now
        assert datetime.fromtimestamp(slot, UTC).hour == hour
        assert last_slot(str(number), hour, slot + DAY) == pytest.approx(slot + DAY)

    def test_databases_are_spread_over_the_hour(self) -> None:
        slots = {last_slot(str(number), 3, NOW) for number in range(60)}
        assert len(slots) > 50
        assert max(slots) - min(slots) > HOUR / 2

    def test_after_its_moment_and_never_twice(self) -> None:
        slot = last_slot("db", 3, NOW)

        def due(made: float, last: float | None = None, tried: float | None = None) -> bool:
            return is_due(Scheduled("db", "postgresql", "17", 3, made, last, tried), NOW)

        assert due(slot - HOUR)
        assert due(slot - 9 * DAY, slot - HOUR)
        assert not due(slot - 9 * DAY, slot + 1)
        assert not due(slot + 1)
        assert due(slot - 9 * DAY, NOW + 9 * DAY)  # by a clock that was wrong
        assert not due(slot - 9 * DAY, slot - HOUR, NOW - HOUR / 2)  # it has just failed
        assert due(slot - 9 * DAY, slot - HOUR, NOW - 2 * HOUR)


class TestKept:
    def test_of_a_starter_plan(self) -> None:
        every_day = [made(days + 0.4) for days in range(60)]
        assert kept(every_day) == [*(days + 0.4 for days in range(7)), 13.4, 20.4, 27.4]

    def test_of_a_business_plan(self) -> None:
        every_day = [made(days + 0.4, plan="postgresql-business-512") for days in range(400)]
        found = kept(every_day)
        assert found[:7] == [days + 0.4 for days in range(7)]
        sundays = [datetime.fromtimestamp(NOW - days * DAY, UTC) for days in found[7:]]
        assert all(each.weekday() == 6 for each in sundays)
        assert all(each.day <= 7 for each in sundays[8:])
        assert 330 < found[-1] < 373

    def test_of_manual_ones_the_newest(self) -> None:
        assert len(kept([made(days, BackupMethod.MANUAL) for days in range(100, 130)])) == 10

    def test_never_expires_the_newest_that_is_proved(self) -> None:
        found = [made(100), made(101, verified=True), made(102, verified=True)]
        assert kept(found) == [101.0]

    def test_of_failed_ones_for_a_week(self) -> None:
        assert kept([made(1, error="x"), made(6.5, error="x"), made(8, error="x")]) == [1.0, 6.5]

    def test_after_the_database_was_deleted(self) -> None:
        found = [made(days, BackupMethod.MANUAL, verified=True) for days in (1, 30, 40)]
        assert kept(found, is_deleted=True) == [1.0, 30.0]


@pytest.fixture
def database(service: Service, principal: Principal) -> str:
    found = create(service, principal, CreateRequest("my-database", "postgresql", "postgresql-starter-512")).id
    get_ready(service)
    return found


@pytest.fixture
def run(service: Service) -> Callable[..., None]:
    def run(*, scheduled: bool = True) -> None:
        context = make_context(service, Metrics())
        BackupScheduler(context, threading.Event(), lambda: None, scheduled=scheduled).run_once()

    return run


def listed(service: Service, principal: Principal) -> list[Backup]:
    return list(use_cases.list_all(service, principal, "my-database"))


class TestScheduler:
    def test_asks_once_a_day(
        self, service: Service, principal: Principal, database: str, clock: Clock, run: Callable[..., None]
    ) -> None:
        clock.advance(DAY)
        run(scheduled=False)
        assert listed(service, principal) == []
        run()
        run()
        (found,) = listed(service, principal)
        assert found.method is BackupMethod.PERIODIC
        clock.advance(DAY)
        run()
        assert len(listed(service, principal)) == 2

    def test_asks_for_nothing_where_that_is_switched_off(
        self, service: Service, principal: Principal, database: str, clock: Clock, run: Callable[..., None]
    ) -> None:
        with service.store.tx() as connection:
            backups.set_schedule(connection, database, BackupSchedule(enabled=False))
        clock.advance(DAY)
        run()
        assert listed(service, principal) == []

    def test_removes_what_is_too_old_from_the_archive_too(
        self, service: Service, principal: Principal, database: str, clock: Clock, run: Callable[..., None]
    ) -> None:
        found = [make_backup(service, principal, database) for _ in range(11)]
        for each in found:
            open_store(service.archive).put(each.data, [b"x"])
        run(scheduled=False)
        assert len(listed(service, principal)) == 10
        assert open_store(service.archive).list(database) == sorted(each.data for each in found[1:])

    def test_removes_what_a_delete_left_half_made(
        self, service: Service, principal: Principal, database: str, clock: Clock, run: Callable[..., None]
    ) -> None:
        half = use_cases.create(service, principal, database)
        open_store(service.archive).put(half.data, [b"x"])
        run(scheduled=False)
        assert open_store(service.archive).list(database) == [half.data]  # it is worked on
        databases.delete(service, principal, database, "my-database")
        with service.store.tx() as connection:
            operations.supersede(connection, database, clock())
        run(scheduled=False)
        assert open_store(service.archive).list(database) == []
