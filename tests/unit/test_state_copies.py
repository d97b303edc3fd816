"""The platform's own state in the archive: every day, and told when it is not so."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from dbyard.archive.state_copies import StateArchive
from dbyard.metrics import Metrics
from dbyard.model import DAY, EventType
from dbyard.reconciler.state_copies import StateCopies
from dbyard.service import Service
from tests.builders import make_context
from tests.conftest import Clock

HOUR = 3600.0


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def copies(service: Service, token: str, tmp_path: Path, metrics: Metrics) -> StateCopies:
    (tmp_path / "home" / "state").mkdir(parents=True)
    context = make_context(service, metrics)
    return StateCopies(context, threading.Event(), tmp_path / "home")


def made(service: Service) -> int:
    return len(StateArchive(service.archive, service.box).list())


def overdue(service: Service) -> int:
    with service.store.read() as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM event WHERE type = ?", (EventType.STATE_COPY_OVERDUE,)
        ).fetchone()
    return int(count)


def told(metrics: Metrics) -> float:
    return next(
        float(line.split()[1])
        for line in metrics.render({}, {}).decode().splitlines()
        if line.startswith("dbyard_state_copied_timestamp_seconds ")
    )


def test_are_made_every_day(service: Service, copies: StateCopies, clock: Clock, metrics: Metrics) -> None:
    copies.run_once()
    copies.run_once()
    assert made(service) == 1
    assert told(metrics) == clock.now
    clock.advance(DAY)
    copies.run_once()
    assert made(service) == 2


def test_of_another_start_count(service: Service, copies: StateCopies, clock: Clock) -> None:
    copies.run_once()
    clock.advance(DAY - HOUR)
    StateCopies(copies._context, threading.Event(), copies._home).run_once()
    assert made(service) == 1


def test_of_the_future_do_not_count(service: Service, copies: StateCopies, clock: Clock) -> None:
    clock.advance(99 * DAY)
    copies.run_once()
    clock.advance(-99 * DAY)
    copies.run_once()
    assert made(service) == 2


def test_that_are_overdue_are_told_once(service: Service, copies: StateCopies, clock: Clock) -> None:
    root = service.archive.directory
    copies.run_once()
    root.rename(root.with_name("unmounted"))
    clock.advance(DAY + HOUR)
    copies.run_once()
    assert overdue(service) == 0  # there is time left
    clock.advance(DAY)
    copies.run_once()
    copies.run_once()
    assert overdue(service) == 1
    root.with_name("unmounted").rename(root)
    copies.run_once()
    assert made(service) == 2


def test_of_a_disk_that_takes_nothing_are_tried_again(
    service: Service, copies: StateCopies, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = copies._home / "state"
    home.rename(home.with_name("elsewhere"))
    copies.run_once()
    assert (made(service), overdue(service)) == (0, 1)
    home.with_name("elsewhere").rename(home)
    copies.run_once()
    assert made(service) == 1
