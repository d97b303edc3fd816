"""A database as its server is: which program and version, what it may use, and what its disk allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dbyard import engines
from dbyard.errors import NotFound
from dbyard.model import (
    DISK_WARNING,
    MIB,
    Address,
    BackupReport,
    BackupSchedule,
    Database,
    Endpoint,
    Instance,
    Plan,
    Principal,
    Restriction,
    Technology,
    Version,
)
from dbyard.service import Service
from dbyard.service.authorization import authorize_database
from dbyard.service.databases import backup_report, moments, operations, status
from dbyard.service.databases.status import StatusReport
from dbyard.store import Connection, backups, credentials, endpoints, instances
from dbyard.store.credentials import SealedCredential


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the store and the catalogue know of a database and its server, as of one moment."""

    database: Database
    instance: Instance
    """The primary."""
    endpoints: Sequence[Endpoint]
    report: StatusReport
    credential: SealedCredential
    technology: Technology
    version: Version
    plan: Plan
    active_operation_id: str | None
    schedule: BackupSchedule | None
    """When it is backed up without being asked; None for a technology without backups."""
    backups: BackupReport | None
    """How it stands with them; None for a technology without backups."""

    @property
    def address(self) -> Address | None:
        """Where applications reach it, as soon as that is known."""
        return self.endpoints[0].address

    @property
    def hard_memory(self) -> int:
        """The bytes that the server as a whole is held to."""
        return (self.plan.memory_mb + self.technology.overhead_mb) * MIB

    @property
    def server_name(self) -> str:
        """Such as `17.10 (PostgreSQL 17)` and `10.11.19 (MariaDB 10.11, MySQL protocol)`."""
        server = self.version.server.replace(" (", ", ").removesuffix(")")
        return f"{self.instance.full_version} ({server})"


@dataclass(frozen=True, slots=True)
class DiskReport:
    """In bytes. `reason` says why the tenant is restricted, or warns from 85 % on."""

    used: int
    limit: int
    restriction: Restriction
    reason: str | None
    restricted_at: float | None


@dataclass(frozen=True, slots=True)
class DatabaseDetails:
    """`enforced_by` says by resource what on this machine holds the database to its plan."""

    facts: ServerFacts
    disk: DiskReport
    enforced_by: Mapping[str, str]
    earliest_moment: float | None
    """The first that can be restored, where there is one."""


def describe(service: Service, principal: Principal, key: str) -> DatabaseDetails:
    facts = get_facts(service, principal, key)
    with service.store.snapshot() as reading:
        earliest = moments.find_earliest(service, reading, facts.database)
    return DatabaseDetails(facts, _report_disk(service, facts), service.limits(), earliest)


def get_facts(service: Service, principal: Principal, key: str) -> ServerFacts:
    with service.store.snapshot() as reading:
        database = authorize_database(reading, principal, key)
        return _gather(service, reading, database)


def _gather(service: Service, reading: Connection, database: Database) -> ServerFacts:
    instance, credential = instances.get_primary(reading, database.id), credentials.get(reading, database.id)
    technology = service.catalogue.technology(database.technology)
    plan = service.catalogue.plan(database.technology, database.plan)
    versions = technology.versions if technology else ()
    version = next((each for each in versions if each.version == database.version), None)
    if not (instance and credential and technology and plan and version):
        raise NotFound("Database not found", resource="database")
    active = operations.active_id(reading, database)
    has_backups = engines.find_backups(technology, version.version) is not None
    schedule = backups.schedule_of(reading, database.id) if has_backups else None
    told = _report_backups(service, reading, instance) if has_backups else None
    report = status.report(service, reading, database)
    reached = endpoints.list_for(reading, database.id)
    return ServerFacts(
        database, instance, reached, report, credential, technology, version, plan, active, schedule, told
    )


def _report_backups(service: Service, reading: Connection, instance: Instance) -> BackupReport:
    return backup_report.report(reading, instance, service.clock(), scheduled=service.scheduled_backups)


def _report_disk(service: Service, facts: ServerFacts) -> DiskReport:
    instance, limit = facts.instance, facts.plan.disk_mb * MIB
    used, reason = service.disk(instance.id), instance.restriction_reason
    if reason is None and used >= DISK_WARNING * limit:
        reason = f"{used * 100 // limit} % of its disk is used; it becomes read-only at 95 %"
    return DiskReport(used, limit, instance.restriction, reason, instance.restricted_at)
