"""The copy of the archive: everything gets there, and nothing waits for it."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from dbyard.archive import journals as archived
from dbyard.archive import objects, settings
from dbyard.archive.locations import Location
from dbyard.archive.stores import Store, open_store
from dbyard.config import Config
from dbyard.metrics import Metrics
from dbyard.model import Backup, EventType, JournalMark, JournalSpan, Principal
from dbyard.operations import Context
from dbyard.reconciler.archive_copies import ArchiveCopies
from dbyard.reconciler.backups import BackupScheduler
from dbyard.reconciler.journal_retention import JournalRetention
from dbyard.service import Service
from dbyard.service.databases import backups as use_cases
from dbyard.service.databases.create import create
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import backups, journals
from tests.builders import get_ready, make_backup, make_context
from tests.conftest import Clock

HOUR = 3600.0
NAME = "my-database"


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def context(service: Service, tmp_path: Path, metrics: Metrics) -> Context:
    copy = Location(f"file://{tmp_path / 'copy'}")
    settings.prepare(tmp_path, service.store, replace(service.archive, copy=copy))
    return make_context(service, metrics, replace(service.archive, copy=copy))


@pytest.fixture
def copies(context: Context) -> ArchiveCopies:
    return ArchiveCopies(context, threading.Event())


@pytest.fixture
def first(context: Context) -> Store:
    return open_store(context.archive)


@pytest.fixture
def second(context: Context) -> Store:
    assert context.archive.copy is not None
    return open_store(context.archive.copy)


@pytest.fixture
def backup(service: Service, principal: Principal, first: Store) -> Backup:
    create(service, principal, CreateRequest(NAME, "redis", "redis-starter-128"))
    get_ready(service)
    made = make_backup(service, principal, NAME)
    for name in ("data", "manifest", "proof"):
        put(first, service, f"{made.directory}/{name}")
    return made


def put(store: Store, service: Service, name: str) -> None:
    """An object that holds its own name."""
    key = service.box.derive_key("archive", name.partition("/")[0])
    store.put(name, objects.pack(key, name, [name.encode()], objects.LEVEL))


def names(store: Store) -> set[str]:
    return {name for directory in store.list_directories() for name in store.list(directory)}


def same(first: Store, second: Store, name: str) -> bool:
    return b"".join(first.read(name)) == b"".join(second.read(name))


def damage(location: Location, name: str) -> None:
    path = location.directory / name
    path.write_bytes(path.read_bytes()[:-1])


def told(service: Service, kind: EventType = EventType.ARCHIVE_COPY_BEHIND) -> int:
    with service.store.read() as connection:
        query = "SELECT count(*) FROM event WHERE type = ?"
        (count,) = connection.execute(query, (kind,)).fetchone()
    return int(count)


def value(metrics: Metrics, name: str) -> float:
    lines = metrics.render({}, {}).decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def test_everything_gets_there(copies: ArchiveCopies, first: Store, second: Store, backup: Backup) -> None:
    first.put("db/log/1", [b"x"])
    copies.run_once()
    assert names(second) == names(first)
    assert same(first, second, backup.data)


def test_what_is_being_made_waits(copies: ArchiveCopies, first: Store, second: Store) -> None:
    first.put("db/b/data", [b"x"])
    copies.run_once()
    assert names(second) == set()
    first.put("db/b/manifest", [b"x"])
    copies.run_once()
    assert names(second) == {"db/b/data", "db/b/manifest"}


def test_one_that_is_gone_is_told_once(
    copies: ArchiveCopies, service: Service, first: Store, second: Store, backup: Backup, clock: Clock, metrics: Metrics
) -> None:
    copies.run_once()
    copy = copies._context.archive.copy
    assert copy is not None
    copy.directory.rename(copy.directory.with_name("unmounted"))
    copy.directory.mkdir()
    first.put("db/log/1", [b"x"])
    clock.advance(5 * HOUR)
    copies.run_once()
    assert told(service) == 0
    clock.advance(2 * HOUR)
    copies.run_once()
    copies.run_once()
    assert told(service) == 1
    assert value(metrics, "dbyard_archive_copy_lag_seconds") == 7 * HOUR
    assert not list(copy.directory.iterdir())  # nothing is written where nothing is mounted
    copy.directory.rmdir()
    copy.directory.with_name("unmounted").rename(copy.directory)
    copies.run_once()
    assert names(second) == names(first)
    assert value(metrics, "dbyard_archive_copy_lag_seconds") == 0


def test_what_was_lost_comes_back(copies: ArchiveCopies, first: Store, second: Store, backup: Backup) -> None:
    copies.run_once()
    second.put("unknown/b/data", [b"x"])
    shutil.rmtree(copies._context.archive.directory / backup.directory)
    copies.run_once()
    assert same(first, second, backup.data)
    assert names(first) == names(second) - {"unknown/b/data"}


def test_small_pieces_of_a_journal_go_when_they_are_joined(
    copies: ArchiveCopies, service: Service, first: Store, second: Store, clock: Clock
) -> None:
    """The copy does not bring them back; what it alone has of others does come."""
    with service.store.tx() as connection:
        journals.begin(connection, "db", "instance", JournalMark("one", 0), service.clock())
        (span,) = journals.list_for(connection, "db")
        connection.execute("UPDATE journal_span SET position = 40, ended_at = NULL")
        connection.execute("UPDATE journal_span SET read_at = ?", (clock.now,))
    key, retention = service.box.derive_key("archive", "db"), JournalRetention(copies._context, threading.Event())
    for at in range(40):
        archived.put(first, key, archived.name_of(span.directory, at, at + 1, clock.now + at / 1000), [bytes([at])])
    copies.run_once()
    retention._join(replace(span, position=40), clock.now)  # they are too young
    assert len(names(first)) == 40
    retention._join(replace(span, position=40), clock.now + 2 * HOUR)
    assert len(names(first)) == 41
    copies.run_once()
    assert len(names(second)) == 41
    retention._join(replace(span, position=40), clock.now + 30 * HOUR)
    (joined,) = names(first)
    copies.run_once()
    assert names(first) == names(second) == {joined}
    pieces = archived.list_pieces(copies._context.archive, span.directory)
    assert b"".join(archived.read(copies._context.archive, key, pieces, 0)) == bytes(range(40))
    first.delete([joined])
    copies.run_once()
    assert names(first) == {joined}


def test_pieces_of_a_journal_of_which_one_is_damaged_are_not_joined(
    service: Service, context: Context, first: Store, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    span = JournalSpan(1, "db", "instance", "one.a", 0, 40, clock.now, clock.now)
    key, retention = service.box.derive_key("archive", "db"), JournalRetention(context, threading.Event())
    for at in range(40):
        archived.put(first, key, archived.name_of(span.directory, at, at + 1, clock.now), [b"x"])
    damage(context.archive, archived.name_of(span.directory, 7, 8, clock.now))
    retention._join(span, clock.now + 2 * HOUR)
    assert len(names(first)) == 40
    assert "are not joined" in caplog.text


def test_what_is_damaged_is_put_back(
    copies: ArchiveCopies, service: Service, first: Store, second: Store, backup: Backup
) -> None:
    copies.run_once()
    damage(copies._context.archive, backup.data)
    with service.store.tx() as connection:
        backups.note_damaged(connection, backup.data, service.clock())
    copies.run_once()
    assert same(first, second, backup.data)
    assert told(service, EventType.ARCHIVE_MENDED) == 1
    with service.store.read() as connection:
        assert backups.list_damaged(connection) == []


def test_what_is_damaged_there_as_well_is_never_put_back(
    copies: ArchiveCopies,
    service: Service,
    first: Store,
    second: Store,
    backup: Backup,
    caplog: pytest.LogCaptureFixture,
) -> None:
    copies.run_once()
    copy = copies._context.archive.copy
    assert copy is not None
    damage(copy, backup.data)
    first.delete([backup.data])
    for _ in range(2):
        copies.run_once()
    assert backup.data not in names(first)
    assert len([line for line in caplog.messages if "and so does its copy" in line]) == 1
    assert told(service, EventType.ARCHIVE_MENDED) == 0


def test_journals_come_back_and_go_with_what_is_kept_of_them(
    copies: ArchiveCopies, service: Service, first: Store, second: Store
) -> None:
    with service.store.tx() as connection:
        journals.begin(connection, "db", "instance", JournalMark("one", 100), service.clock())
        (span,) = journals.list_for(connection, "db")
        connection.execute("UPDATE journal_span SET position = 300")
    names_of = {end: archived.name_of(span.directory, end - 100, end, 1.0) for end in (100, 200, 300)}
    for name in names_of.values():
        put(second, service, name)
    second.put("db/journal/unknown/one/x", [b"x"])
    copies.run_once()
    assert names(first) == {names_of[200], names_of[300]}
    assert names(second) == names(first) | {"db/journal/unknown/one/x"}


def test_what_was_removed_goes_there_too(
    copies: ArchiveCopies, service: Service, principal: Principal, first: Store, second: Store, backup: Backup
) -> None:
    copies.run_once()
    second.put("unknown/b/data", [b"x"])
    use_cases.delete(service, principal, NAME, backup.id)
    copies.run_once()
    assert backup.data in names(second)
    scheduler = BackupScheduler(copies._context, threading.Event(), lambda: None, scheduled=False)
    scheduler._remove_instances = lambda: None  # type: ignore[method-assign] # there is no runtime
    scheduler.run_once()
    copies.run_once()
    assert names(first) == set()
    assert names(second) == {"unknown/b/data"}


def test_copies_of_the_state_are_bounded_there(
    copies: ArchiveCopies, service: Service, first: Store, second: Store
) -> None:
    for number in range(1, 10):
        store = first if number > 2 else second
        store.put(f"platform/{service.box.fingerprint}/2026010{number}T000000Z/state", [b"x"])
    copies.run_once()
    assert names(second) == names(first)


def test_is_another_place(tmp_path: Path) -> None:
    config = Config(tmp_path, archive_copy="s3://bucket/prefix", archive_copy_access_key="key")
    copy = settings.location_of(config).copy
    assert copy is not None
    assert (copy.url, copy.access_key) == ("s3://bucket/prefix", "key")
    assert settings.location_of(Config(tmp_path)).copy is None
