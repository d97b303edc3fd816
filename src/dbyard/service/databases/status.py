"""What a database is doing, derived from facts of its instances and from the operation that is at work on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dbyard.errors import NotFound
from dbyard.model import OPERATIONS, Account, Database, DatabaseStatus, Principal, Project
from dbyard.service import Service
from dbyard.service.authorization import authorize_database
from dbyard.store import Connection, databases, projects
from dbyard.store import status as stored_status
from dbyard.store.status import Facts

UPDATING_SECONDS = 10.0
"""A change of plan shows at least so long: clients first wait for a database not to run, then for it to run again."""
_CHANGES = [kind for kind, policy in OPERATIONS.items() if policy.status is DatabaseStatus.UPDATING]


@dataclass(frozen=True, slots=True)
class StatusReport:
    """`error` says why a database is stopped, or why its tenant cannot log in although it runs.

    `ready_at` is when its server first answered.
    """

    status: DatabaseStatus
    error: str | None
    ready_at: float | None
    updated_at: float | None
    """When it was last given another name, project or plan."""


@dataclass(frozen=True, slots=True)
class DatabaseOverview:
    """A database with its project, its owner and its status, all as of one moment."""

    database: Database
    project: Project
    owner: Account
    report: StatusReport


def list_overviews(service: Service, principal: Principal) -> list[DatabaseOverview]:
    """Of the databases that the principal may use, newest last."""
    with service.store.snapshot() as reading:
        found = databases.list_visible(reading, principal)
        homes = {each: projects.get(reading, each) for each in {each.project_id for each in found}}
        return [DatabaseOverview(each, *homes[each.project_id], report(service, reading, each)) for each in found]


def get_overview(service: Service, principal: Principal, key: str) -> DatabaseOverview:
    with service.store.snapshot() as reading:
        database = authorize_database(reading, principal, key)
        project, owner = projects.get(reading, database.project_id)
        return DatabaseOverview(database, project, owner, report(service, reading, database))


def report(service: Service, reading: Connection, database: Database) -> StatusReport:
    facts = get_facts(service, reading, database, _CHANGES)
    status = derive(facts, service.clock())
    error = facts.down_reason if status is DatabaseStatus.STOPPED else facts.login_error
    return StatusReport(status, error, facts.ready_at, facts.updated_at)


def get_facts(service: Service, reading: Connection, database: Database, kinds: Sequence[str] = ()) -> Facts:
    """The stored facts, and what is seen of the server now: the store cannot always be written."""
    facts = stored_status.get(reading, database.id, kinds)
    if facts is None:
        raise NotFound("Database not found", resource="database")
    reason = service.seen_down(facts.instance_id)
    if reason is None or facts.ready_at is None or facts.down_at is not None or _is_owned(facts):
        return facts
    return replace(facts, down_at=service.clock(), down_reason=reason)


def _is_owned(facts: Facts) -> bool:
    return facts.active_kind in OPERATIONS and OPERATIONS[facts.active_kind].owns_server


def derive(facts: Facts, now: float) -> DatabaseStatus:
    """`stopped` also stands for a database that never got ready, or that is not healed yet. Pure."""
    shown = OPERATIONS[facts.active_kind].status if facts.active_kind in OPERATIONS else None
    if shown is not None:
        return shown
    if facts.changed_at is not None and facts.changed_at <= now < facts.changed_at + UPDATING_SECONDS:
        return DatabaseStatus.UPDATING
    if facts.ready_at is None:
        return DatabaseStatus.CREATING if facts.active_kind is not None else DatabaseStatus.STOPPED
    return DatabaseStatus.RUNNING if facts.down_at is None else DatabaseStatus.STOPPED
