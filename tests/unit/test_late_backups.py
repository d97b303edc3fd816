"""How it stands with a database's backups, and that nobody has to ask to learn that they are late."""

from __future__ import annotations

import threading

import pytest

from dbyard.metrics import Metrics
from dbyard.model import (
    DAY,
    Backup,
    BackupMethod,
    BackupSchedule,
    BackupState,
    EventType,
    Principal,
    Verification,
    VerificationState,
)
from dbyard.reconciler.backups import BackupScheduler
from dbyard.service import Service
from dbyard.service.databases import details
from dbyard.service.databases.backup_report import describe
from dbyard.service.databases.create import create
from dbyard.service.databases.create_request import CreateRequest
from tests.builders import get_ready, make_backup, make_context
from tests.conftest import Clock

NOW = 2_000_000_000.0
HOUR = 3600.0


def backup(hours: float, *, error: str | None = None, proof: VerificationState = VerificationState.VERIFIED) -> Backup:
    at = NOW - hours * HOUR
    done = None if error else at
    return Backup(
        f"b{hours}", "db", "db", "redis", "7.0", "7.0.1", "p", "l", "app", "app", BackupMethod.PERIODIC, at, at, done,
        error, verification=Verification(proof, at, 1.0, "wrong"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "ready_hours", "state"),
    [
        ([backup(5)], 900, BackupState.OK),
        ([], 20, BackupState.OK),
        ([], 40, BackupState.OVERDUE),
        ([backup(40)], 900, BackupState.OVERDUE),
        ([backup(1, error="no"), backup(5)], 900, BackupState.FAILING),
        ([backup(1), backup(5, error="no")], 900, BackupState.OK),
        ([backup(1, proof=VerificationState.FAILED), backup(5)], 900, BackupState.FAILING),
        ([backup(1, proof=VerificationState.PENDING)], 900, BackupState.OK),
    ],
)
def test_describe(found: list[Backup], ready_hours: float, state: BackupState) -> None:
    told = describe(found, BackupSchedule(), NOW - ready_hours * HOUR, NOW, scheduled=True)
    assert told.state is state
    assert (told.message is None) == (state is BackupState.OK)


def test_describe_where_nothing_asks_for_them() -> None:
    for schedule, scheduled in ((BackupSchedule(enabled=False), True), (BackupSchedule(), False)):
        assert describe([backup(99)], schedule, 0.0, NOW, scheduled=scheduled).state is BackupState.OFF


def test_describe_tells_the_last_that_is_proved() -> None:
    told = describe([backup(1, proof=VerificationState.PENDING), backup(5)], BackupSchedule(), 0.0, NOW, scheduled=True)
    assert (told.last_at, told.proved_at) == (NOW - HOUR, NOW - 5 * HOUR)


def test_an_overdue_one_is_told_once(service: Service, principal: Principal, clock: Clock) -> None:
    metrics = Metrics()
    context = make_context(service, metrics)
    create(service, principal, CreateRequest("my-database", "redis", "redis-starter-128"))
    get_ready(service)

    def told() -> int:
        """By a platform that was just started."""
        scheduler = BackupScheduler(context, threading.Event(), lambda: None, scheduled=True)
        scheduler._ask_for_due = lambda: None  # type: ignore[method-assign] # nobody makes any
        scheduler.run_once()
        with service.store.read() as connection:
            query = "SELECT count(*) FROM event WHERE type = ?"
            (count,) = connection.execute(query, (EventType.BACKUP_OVERDUE,)).fetchone()
        return int(count)

    assert told() == 0
    clock.advance(2 * DAY)
    assert (told(), told()) == (1, 1)
    assert 'dbyard_late_backups{state="overdue"} 1.0' in metrics.render({}, {}).decode()
    shown = details.describe(service, principal, "my-database").facts.backups
    assert shown is not None
    assert shown.message == "there is no backup of the last 48 hours"
    make_backup(service, principal, "my-database")
    assert told() == 1
    assert 'dbyard_late_backups{state="overdue"} 0.0' in metrics.render({}, {}).decode()
    clock.advance(2 * DAY)
    assert told() == 2
