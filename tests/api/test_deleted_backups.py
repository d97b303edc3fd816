"""Backups of deleted databases: who sees them, and the new databases that are made of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from dbyard.model import Backup, Principal, Scope, Verification, VerificationState
from dbyard.service import Service
from dbyard.service.accounts import authentication
from dbyard.service.databases import databases, deleted_backups
from dbyard.service.databases.create import create
from dbyard.service.databases.create_request import CreateRequest
from dbyard.store import backups, collaborators, operations
from tests.builders import get_ready, make_backup, open_account

NAME, PATH = "my-database", "/v1/deleted_backups"


@pytest.fixture
def owner(service: Service, token: str) -> Principal:
    """No administrator."""
    return authentication.authenticate(service, open_account(service, "owner"))


@pytest.fixture
def backup(service: Service, owner: Principal) -> Backup:
    """Of a database that is deleted."""
    database = create(service, owner, CreateRequest(NAME, "postgresql", "postgresql-starter-512"))
    get_ready(service)
    made = make_backup(service, owner, NAME)
    with service.store.tx() as connection:
        backups.set_verification(connection, made.id, Verification(VerificationState.VERIFIED, 1.0, 1.0, "restored"))
    databases.delete(service, owner, NAME, NAME)
    with service.store.tx() as connection:
        operations.supersede(connection, database.id, service.clock())
        connection.execute("DELETE FROM database WHERE id = ?", (database.id,))
    return made


def seen(service: Service, principal: Principal) -> list[str]:
    return [each.id for each in deleted_backups.list_all(service, principal)]


def guest(service: Service, *, limited: bool) -> Principal:
    name = "limited" if limited else "guest"
    principal = authentication.authenticate(service, open_account(service, name))
    with service.store.tx() as connection:
        collaborators.add(connection, collaborators.of_project("pr-owner"), f"us-{name}", limited, service.clock())
    return principal


class TestList:
    def test_is_of_those_who_could_change_the_database(
        self, service: Service, owner: Principal, backup: Backup
    ) -> None:
        assert seen(service, owner) == [backup.id]
        assert seen(service, guest(service, limited=False)) == [backup.id]
        assert seen(service, guest(service, limited=True)) == []
        stranger = authentication.authenticate(service, open_account(service, "stranger"))
        assert seen(service, stranger) == []

    def test_is_bounded_by_a_token(self, service: Service, owner: Principal, backup: Backup) -> None:
        assert seen(service, replace(owner, project_id="pr-owner")) == [backup.id]
        assert seen(service, replace(owner, project_id="pr-other")) == []
        assert seen(service, replace(owner, database_id=backup.database_id, scope=Scope.WRITE)) == []

    def test_lacks_what_is_there_or_is_not_done(self, service: Service, owner: Principal, backup: Backup) -> None:
        create(service, owner, CreateRequest("another-one", "postgresql", "postgresql-starter-512"))
        get_ready(service)
        make_backup(service, owner, "another-one")
        with service.store.tx() as connection:
            backups.insert(connection, replace(backup, id="half"))
        assert seen(service, owner) == [backup.id]

    def test_of_a_project_that_nobody_knows_is_for_administrators(
        self, service: Service, token: str, owner: Principal, backup: Backup
    ) -> None:
        admin = authentication.authenticate(service, token)
        assert seen(service, admin) == []
        with service.store.tx() as connection:
            connection.execute("UPDATE backup SET project_id = 'of a lost state'")
        assert seen(service, admin) == [backup.id]
        assert seen(service, owner) == []


class TestRestore:
    def test_makes_a_new_database(self, api: TestClient, service: Service, owner: Principal, backup: Backup) -> None:
        made = deleted_backups.restore(service, owner, backup.id, NAME)
        assert (made.name, made.plan, made.project_id) == (NAME, "postgresql-starter-512", "pr-owner")
        with service.store.read() as connection:
            operation = operations.exclusive_of(connection, made.id)
        assert operation is not None
        assert operation.params == {"backup_id": backup.id}

    def test_answers(self, api: TestClient, service: Service, token: str, owner: Principal, backup: Backup) -> None:
        with service.store.tx() as connection:
            connection.execute("UPDATE backup SET project_id = NULL")
        (listed,) = api.get(PATH).json()["deleted_backups"]
        assert (listed["id"], listed["database_name"], listed["project_id"]) == (backup.id, NAME, None)
        assert api.post(f"{PATH}/{backup.id}/restore").status_code == 422
        answer = api.post(f"{PATH}/{backup.id}/restore", params={"into": NAME})
        assert (answer.status_code, answer.json()["database"]["name"]) == (202, NAME)
        assert api.post(f"{PATH}/{backup.id}/restore", params={"into": NAME}).status_code == 422
        assert api.post(f"{PATH}/none/restore", params={"into": "new-name"}).status_code == 404
        with service.store.tx() as connection:
            found = Verification(VerificationState.FAILED, 2.0, None, "it is damaged")
            backups.set_verification(connection, backup.id, found)
        assert api.post(f"{PATH}/{backup.id}/restore", params={"into": "new-name"}).status_code == 409
