"""A database as its server is: which program and version, what it may use and does use, and what its disk allows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from hashlib import sha256

from dbyard.errors import NotFound, NotReady, StepError
from dbyard.model import (
    DISK_WARNING,
    MIB,
    Database,
    DatabaseStatus,
    Instance,
    Operation,
    OperationStatus,
    Plan,
    Principal,
    Technology,
    Usage,
    Version,
)
from dbyard.service import Service, conditions, stats
from dbyard.service.databases import own
from dbyard.service.dates import date, date_or_none
from dbyard.service.types import type_id, version_id
from dbyard.store import Connection, databases, instances, operations
from dbyard.store.databases import Condition, SealedCredential
from dbyard.wire import details as wire
from dbyard.wire.apps import AppOperation, AppOperationAnswer

_SAMPLE_SECONDS = 0.1
_MAINTENANCE_HOUR, _MAINTENANCE_HOURS = 21, 8
_INSTANCE_STATUS = {
    DatabaseStatus.CREATING: "booting",
    DatabaseStatus.RUNNING: "running",
    DatabaseStatus.UPDATING: "restarting",
    DatabaseStatus.STOPPED: "stopped",
}


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the store and the catalogue know of one database, as of one moment."""

    database: Database
    instance: Instance
    condition: Condition
    credential: SealedCredential
    technology: Technology
    version: Version
    plan: Plan
    active: str | None

    @property
    def hostname(self) -> str | None:
        placement = self.instance.placement
        return f"{placement.host}:{placement.port}" if placement else None

    @property
    def hard_memory(self) -> int:
        return (self.plan.memory_mb + self.technology.overhead_mb) * MIB


def describe(service: Service, principal: Principal, key: str) -> wire.DetailsAnswer:
    facts = _find(service, principal, key)
    database, status = facts.database, conditions.status(facts.condition, service.clock())
    return wire.DetailsAnswer(
        wire.DatabaseDetails(
            id=database.id,
            resource_id=database.id,
            app_name=database.name,
            created_at=date(database.created_at),
            encryption_at_rest=False,
            plan=database.plan,
            status=status,
            error=facts.condition.error if status is DatabaseStatus.STOPPED else None,
            type_id=type_id(facts.technology),
            type_name=facts.technology.type_name,
            version_id=version_id(facts.technology, facts.version),
            next_version_id=None,
            readable_version=_readable_version(facts),
            hostname=facts.hostname,
            mongo_repl_set_name=None,
            instances=_instances(facts, status),
            features=[],
            current_operation_id=facts.active,
            cluster=False,
            periodic_backups_enabled=False,
            periodic_backups_scheduled_at=[],
            maintenance_window=_maintenance_window(database),
            flags=[],
            server=_server(facts),
            limits=_limits(service, facts),
            disk=_disk(service, facts),
        )
    )


def list_instances(service: Service, principal: Principal, key: str) -> list[wire.InstanceStatus]:
    """The one server, as soon as it is placed; it leads, because there is no other."""
    facts = _find(service, principal, key)
    found = _instances(facts, conditions.status(facts.condition, service.clock()))
    return [wire.InstanceStatus(each.id, each.type, each.status, "leader") for each in found]


def get_plan(service: Service, principal: Principal, key: str) -> wire.PlanDetailsAnswer:
    """No backups are made yet, of any plan."""
    plan = _find(service, principal, key).plan
    return wire.PlanDetailsAnswer(wire.PlanDetails(plan.id, plan.name, plan.memory_mb, plan.disk_mb))


def get_operation(
    service: Service, principal: Principal, operation_id: str, key: str | None = None
) -> AppOperationAnswer:
    """An operation of a database that the principal sees, of that one when there is a `key`."""
    with service.store.read() as reading:
        database = own(reading, principal, key) if key is not None else None
        found = operations.get(reading, operation_id)
        if found is None or (database and found.database_id != database.id):
            raise NotFound("Operation not found")
        if database is None:
            _check_seen(reading, principal, found)
    finished = found.status == OperationStatus.DONE
    return AppOperationAnswer(
        AppOperation(
            id=found.id,
            type=found.kind,
            status="finished" if finished else found.status,
            created_at=date(found.created_at),
            finished_at=date_or_none(found.finished_at),
            error=found.error,
        )
    )


def measure(service: Service, principal: Principal, key: str) -> wire.MetricsAnswer:
    """What the server uses at this moment; it takes a tenth of a second to see what it makes of its processors."""
    facts = _find(service, principal, key)
    first, started = service.usage(facts.instance.id), time.monotonic()
    disk, stats = service.disk(facts.instance.id), _stats(service, facts)
    time.sleep(max(0.0, _SAMPLE_SECONDS - (time.monotonic() - started)))
    last, seconds = service.usage(facts.instance.id), time.monotonic() - started
    cpu, memory = _cpu_percent(first, last, seconds, facts.plan), _memory(last, facts)
    return wire.MetricsAnswer(
        cpu_usage=cpu,
        memory=memory,
        database_stats=stats,
        real_disk_size=disk,
        instances_metrics={
            facts.instance.id: wire.InstanceMetrics(
                instance_id=facts.instance.id,
                instance_address=facts.hostname or "",
                real_disk_size=disk,
                cpu=wire.CpuMetrics(cpu),
                memory=memory,
            )
        },
    )


def _check_seen(reading: Connection, principal: Principal, operation: Operation) -> None:
    try:
        own(reading, principal, operation.database_id)
    except NotFound:
        raise NotFound("Operation not found") from None


def _find(service: Service, principal: Principal, key: str) -> _Facts:
    with service.store.snapshot() as reading:
        database = own(reading, principal, key)
        return _gather(service, reading, database)


def _gather(service: Service, reading: Connection, database: Database) -> _Facts:
    instance, credential = instances.get_for(reading, database.id), databases.credential_of(reading, database.id)
    technology = service.catalogue.technology(database.technology)
    plan = service.catalogue.plan(database.technology, database.plan)
    versions = technology.versions if technology else ()
    version = next((each for each in versions if each.version == database.version), None)
    if not (instance and credential and technology and plan and version):
        raise NotFound("Database not found")
    active = operations.active_id(reading, database.id)
    found = conditions.condition(reading, database.id)
    return _Facts(database, instance, found, credential, technology, version, plan, active)


def _readable_version(facts: _Facts) -> str:
    """Such as `17.10 (PostgreSQL 17)` and `10.11.19 (MariaDB 10.11, MySQL protocol)`."""
    server = facts.version.server.replace(" (", ", ").removesuffix(")")
    return f"{facts.instance.full_version} ({server})"


def _maintenance_window(database: Database) -> wire.MaintenanceWindow:
    """Any weekday but always the same one; nights of Europe."""
    weekday = int(sha256(database.id.encode()).hexdigest(), 16) % 7
    return wire.MaintenanceWindow(weekday, _MAINTENANCE_HOUR, _MAINTENANCE_HOURS)


def _instances(facts: _Facts, status: DatabaseStatus) -> list[wire.InstanceDetails]:
    placement = facts.instance.placement
    if placement is None:
        return []
    return [
        wire.InstanceDetails(
            facts.instance.id, placement.host, placement.port, _INSTANCE_STATUS[status], "db-node", placement.host
        )
    ]


def _server(facts: _Facts) -> wire.ServerDetails:
    version = facts.version
    return wire.ServerDetails(
        version.server, facts.instance.full_version, version.licence, version.works_with, version.lacks
    )


def _limits(service: Service, facts: _Facts) -> wire.Limits:
    plan, held = facts.plan, service.limits()
    return wire.Limits(
        memory=wire.MemoryLimit(plan.memory_mb * MIB, facts.hard_memory, held["memory"]),
        cpu=wire.CpuLimit(plan.cpu, held["cpu"]),
        processes=wire.ProcessLimit(held["processes"]),
        connections=wire.CountLimit(plan.connections, "the server's settings"),
        disk=wire.DiskLimit(plan.disk_mb * MIB, held["disk"]),
    )


def _disk(service: Service, facts: _Facts) -> wire.Disk:
    used, limit = service.disk(facts.instance.id), facts.plan.disk_mb * MIB
    reason = facts.instance.restriction_reason
    if reason is None and used >= DISK_WARNING * limit:
        reason = f"{used * 100 // limit} % of its disk is used; it becomes read-only at 95 %"
    restricted_at = date_or_none(facts.instance.restricted_at)
    return wire.Disk(used, limit, facts.instance.restriction, reason, restricted_at)


def _stats(service: Service, facts: _Facts) -> dict[str, int | float]:
    placement, sealed = facts.instance.placement, facts.credential
    if placement is None:
        return {}
    try:
        return dict(stats.ask(service, facts.database, placement, sealed))
    except (NotReady, StepError):
        return {}


def _cpu_percent(first: Usage, last: Usage, seconds: float, plan: Plan) -> int:
    if first.cpu_seconds is None or last.cpu_seconds is None:
        return 0
    return min(100, round(max(0.0, last.cpu_seconds - first.cpu_seconds) * 100 / (seconds * plan.cpu)))


def _memory(usage: Usage, facts: _Facts) -> wire.MemoryMetrics:
    memory, swap = usage.memory or 0, usage.swap or 0
    peak = usage.memory_peak or memory
    return wire.MemoryMetrics(
        memory=memory,
        memory_max=peak,
        memory_limit=facts.hard_memory,
        swap=swap,
        swap_max=swap,
        swap_limit=0,
        memory_usage=memory,
        max_memory_usage=peak,
        swap_usage=swap,
        max_swap_usage=swap,
    )
