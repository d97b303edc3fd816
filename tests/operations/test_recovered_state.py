"""A state on a machine without its servers: what the archive knows is written into it, and what is to be done."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from dbyard.archive import manifests
from dbyard.archive.stores import open_store
from dbyard.model import (
    DAY,
    Backup,
    BackupStatus,
    DatabaseStatus,
    Operation,
    OperationKind,
    Principal,
    Verification,
    VerificationState,
)
from dbyard.operations import recovered_state
from dbyard.operations.recovered_state import Recovery
from dbyard.service import Service
from dbyard.service.databases import databases as use_cases
from dbyard.service.databases import status
from dbyard.service.databases.create import create
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import backups, databases, endpoints, instances, operations
from tests.builders import get_ready, make_backup
from tests.conftest import Clock

NAME = "my-database"
OTHER = "54100930736f7563d5030000"
PROVED = Verification(VerificationState.VERIFIED, 1.0, 2.0, "restored; 3 counts are the same")


@pytest.fixture
def database(service: Service, principal: Principal) -> str:
    found = create(service, principal, CreateRequest(NAME, "postgresql", "postgresql-starter-512")).id
    get_ready(service)
    return found


def archived(service: Service, backup: Backup, proof: Verification | None = None) -> Backup:
    """The archive has it, whatever the state knows."""
    key = service.box.derive_key("archive", backup.database_id)
    manifests.write(service.archive, key, backup)
    open_store(service.archive).put(backup.data, [b"x"])
    if proof:
        manifests.write_proof(service.archive, key, backup.directory, proof)
    return backup


def make(service: Service, principal: Principal, database: str, clock: Clock, proof: Verification | None) -> Backup:
    clock.advance(DAY)
    return archived(service, make_backup(service, principal, database), proof)


def recover(service: Service) -> Recovery:
    return recovered_state.prepare(service.store, service.archive, service.box, service.clock(), lambda _: None)


def asked(service: Service, database: str) -> Operation | None:
    with service.store.read() as connection:
        return operations.exclusive_of(connection, database)


def test_takes_the_newest_backup_that_is_proved(
    service: Service, principal: Principal, database: str, clock: Clock
) -> None:
    make(service, principal, database, clock, PROVED)
    proved = make(service, principal, database, clock, PROVED)
    make(service, principal, database, clock, None)
    make(service, principal, database, clock, replace(PROVED, state=VerificationState.FAILED))
    ((_, chosen),) = recover(service).made
    assert chosen is not None
    assert (chosen.id, chosen.verification) == (proved.id, PROVED)
    operation = asked(service, database)
    assert operation is not None
    assert (operation.kind, operation.params) == (OperationKind.RECOVER, {"backup_id": proved.id})


def test_knows_what_was_made_since_the_state_was_copied(
    service: Service, principal: Principal, database: str, clock: Clock
) -> None:
    later = make(service, principal, database, clock, PROVED)
    half = make(service, principal, database, clock, None)
    with service.store.tx() as connection:
        backups.delete(connection, later.id)
        connection.execute("UPDATE backup SET finished_at = NULL, sha256 = NULL WHERE id = ?", (half.id,))
    recover(service)
    with service.store.read() as connection:
        assert backups.get(connection, later.id) == replace(later, verification=PROVED)
        assert backups.get(connection, half.id) == half


def test_does_not_believe_what_the_archive_lacks(
    service: Service, principal: Principal, database: str, clock: Clock
) -> None:
    older, newer = (make(service, principal, database, clock, PROVED) for _ in range(2))
    recover(service)  # the state knows that both are proved
    shutil.rmtree(service.archive.directory / newer.directory)
    ((_, chosen),) = recover(service).made
    assert chosen is not None
    assert chosen.id == older.id
    with service.store.read() as connection:
        lost = backups.get(connection, newer.id)
    assert lost is not None
    assert lost.verification.state is VerificationState.FAILED


def test_leaves_one_without_a_backup_and_says_so(service: Service, principal: Principal, database: str) -> None:
    assert [backup for _, backup in recover(service).made] == [None]
    assert asked(service, database) is None
    found = status.get_overview(service, principal, NAME).report
    assert found.status is DatabaseStatus.STOPPED
    assert "no backup" in (found.error or "")


def test_creates_what_was_being_created(service: Service, principal: Principal) -> None:
    made = create(service, principal, CreateRequest(NAME, "postgresql", "postgresql-starter-512"))
    recover(service)
    operation = asked(service, made.id)
    assert operation is not None
    assert (operation.kind, operation.step) == (OperationKind.CREATE, "allocate")


def test_forgets_where_servers_were(service: Service, principal: Principal, database: str, clock: Clock) -> None:
    made = make(service, principal, database, clock, PROVED)
    recover(service)
    with service.store.read() as connection:
        instance = instances.get_primary(connection, database)
        (endpoint,) = endpoints.list_for(connection, database)
    assert instance is not None
    assert (instance.placement, instance.ready_at, instance.lineage) == (None, None, made.lineage)
    assert endpoint.address is None


def test_keeps_backups_of_databases_that_it_does_not_know(
    service: Service, principal: Principal, database: str, clock: Clock
) -> None:
    made = make(service, principal, database, clock, PROVED)
    with service.store.tx() as connection:
        backups.delete(connection, made.id)
        connection.execute("DELETE FROM database")
    assert recover(service).unknown == {database}
    with service.store.read() as connection:
        (kept,) = backups.list_all(connection)
    assert (kept.id, kept.status) == (made.id, BackupStatus.DONE)


def test_goes_on_with_a_delete(service: Service, principal: Principal, database: str, clock: Clock) -> None:
    make(service, principal, database, clock, PROVED)
    use_cases.delete(service, principal, NAME, NAME)
    assert recover(service).made == []
    with service.store.read() as connection:
        assert databases.get(connection, database) is not None
        operation = operations.exclusive_of(connection, database)
    assert operation is not None
    assert operation.kind == OperationKind.DELETE


def test_may_be_repeated(service: Service, principal: Principal, database: str, clock: Clock) -> None:
    make(service, principal, database, clock, PROVED)
    assert recover(service) == recover(service)
