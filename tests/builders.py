"""Facts that tests put into a store (accounts, operations that went one way or the other), and a server as data."""

from __future__ import annotations

import signal
from dataclasses import replace

from dbyard import secrets
from dbyard.archive.locations import Location
from dbyard.metrics import Metrics
from dbyard.model import (
    MIB,
    Account,
    Address,
    Backup,
    InstanceSpec,
    Operation,
    Placement,
    Principal,
    ProcessSpec,
    Project,
    Token,
)
from dbyard.operations import Context
from dbyard.service import Service
from dbyard.service.databases import backups as backup_service
from dbyard.store import accounts, backups, endpoints, instances, operations, projects, tokens

SPEC = InstanceSpec(
    id="54100930736f7563d5030000",
    generation=1,
    processes=(
        ProcessSpec(
            name="server",
            argv=("serve",),
            env={},
            address_space=None,
            stop_signal=signal.SIGTERM,
            stop_grace=1.0,
        ),
    ),
    init=(),
    files=(),
    memory=1024 * MIB,
    cpu=1.5,
    pids=30,
    disk=1024 * MIB,
)
ADDRESS = Address("127.0.0.1", 20017)
PLACEMENT = Placement('{"host": "127.0.0.1", "slot": 20017, "uid": 220017}')


def make_context(service: Service, metrics: Metrics, archive: Location | None = None) -> Context:
    """What loops of the reconciler work with that ask nothing of a runtime; the archive is the service's own."""
    nothing: object = None
    return Context(
        service.store,
        service.catalogue,
        service.box,
        service.authority,
        nothing,  # type: ignore[arg-type]
        nothing,  # type: ignore[arg-type]
        nothing,  # type: ignore[arg-type]
        metrics,
        archive or service.archive,
        service.clock,
    )


def seed_body(name: str = "my-postgres-db", **changes: object) -> dict[str, object]:
    """The create body of the seed, with its project left out."""
    fields: dict[str, object] = {"name": name, "technology": "postgresql", "plan": "postgresql-starter-512"}
    return {"database": fields | changes}


def open_account(service: Service, username: str) -> str:
    """Another account that is no admin, with a default project `pr-USERNAME`; returns its token."""
    token, now = secrets.mint_token(), service.clock()
    account = Account(f"us-{username}", username, f"{username}@example.org", admin=False)
    with service.store.tx() as connection:
        accounts.insert_account(connection, account, now)
        projects.insert(connection, Project(f"pr-{username}", account.id, "default", True, now, now))
        tokens.insert(connection, account.id, Token(f"token-{username}", "first", now, None), secrets.digest(token))
    return token


def claim(service: Service) -> Operation:
    """The operation that is due, as the reconciler takes it."""
    with service.store.tx() as connection:
        operation = operations.claim(connection, service.clock())
    assert operation is not None
    return operation


def get_ready(service: Service) -> None:
    """The due create operation ends well: its instance is placed and answered."""
    operation = claim(service)
    with service.store.tx() as connection:
        instance = instances.get_primary(connection, operation.database_id)
        assert instance is not None
        instances.set_allocated(connection, instance.id, PLACEMENT, "lineage")
        (endpoint,) = endpoints.list_for(connection, operation.database_id)
        endpoints.set_address(connection, endpoint.id, ADDRESS)
        instances.set_ready(connection, instance.id, service.clock())
        operations.finish(connection, operation, service.clock())


def make_backup(service: Service, principal: Principal, key: str) -> Backup:
    """A backup that is done, whose content the archive lacks; nothing proves it."""
    asked = backup_service.create(service, principal, key)
    with service.store.tx() as connection:
        now = service.clock()
        instance = instances.get_primary(connection, asked.database_id)
        assert instance is not None
        backups.set_started(connection, replace(asked, started_at=now, instance_id=instance.id))
        backups.finish(connection, replace(asked, finished_at=now, size=10, stored=20, sha256="0" * 64))
        operations.supersede(connection, asked.database_id, now)
    return backup_service.get(service, principal, asked.id)


def fail(service: Service, code: str, message: str) -> None:
    """The due operation ends in error, and its server does not run."""
    operation = claim(service)
    with service.store.tx() as connection:
        instance = instances.get_primary(connection, operation.database_id)
        assert instance is not None
        instances.set_down(connection, instance.id, service.clock(), message)
        operations.fail(connection, operation, service.clock(), code, message)
