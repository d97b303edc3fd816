"""A database as the Database API describes it: its server, its limits and its metrics."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from msgspec import structs

from dbyard.model import MIB, BackupReport, Database, DatabaseStatus, Plan, Retention
from dbyard.model.times import to_datetime, to_datetime_or_none
from dbyard.service.databases.details import DatabaseDetails, DiskReport, ServerFacts
from dbyard.service.databases.metrics import DatabaseMetrics
from dbyard.web.scalingo.encoding.database_types import type_id, version_id
from dbyard.wire import details as wire

_MAINTENANCE_HOUR, _MAINTENANCE_HOURS = 21, 8
_INSTANCE_STATUS = {
    DatabaseStatus.CREATING: "booting",
    DatabaseStatus.RUNNING: "running",
    DatabaseStatus.UPDATING: "restarting",
    DatabaseStatus.STOPPED: "stopped",
}


def encode(details: DatabaseDetails) -> wire.DetailsAnswer:
    facts = details.facts
    database = facts.database
    return wire.DetailsAnswer(
        wire.DatabaseDetails(
            id=database.id,
            resource_id=database.id,
            app_name=database.name,
            created_at=to_datetime(database.created_at),
            encryption_at_rest=False,
            plan=database.plan,
            status=facts.report.status,
            error=facts.report.error,
            type_id=type_id(facts.technology),
            type_name=facts.technology.type_name,
            version_id=version_id(facts.technology, facts.version),
            next_version_id=None,
            readable_version=facts.server_name,
            hostname=_hostname(facts),
            mongo_repl_set_name=None,
            instances=_instances(facts),
            features=[],
            current_operation_id=facts.active_operation_id,
            cluster=False,
            periodic_backups_enabled=facts.schedule is not None and facts.schedule.enabled,
            periodic_backups_scheduled_at=[facts.schedule.hour] if facts.schedule and facts.schedule.enabled else [],
            maintenance_window=_maintenance_window(database),
            first_pitr_backup=to_datetime_or_none(details.earliest_moment),
            flags=[],
            server=_server(facts),
            limits=_limits(details),
            isolation=_isolation(details.enforced_by),
            disk=_disk(details.disk),
            backups=_backups(facts.backups),
        )
    )


def encode_instances(facts: ServerFacts) -> list[wire.InstanceStatus]:
    """The one server, as soon as it is placed; it is the leader, because there is no other."""
    return [wire.InstanceStatus(each.id, each.type, each.status, "leader") for each in _instances(facts)]


def encode_plan(plan: Plan, kept: Retention | None) -> wire.PlanDetailsAnswer:
    figures = wire.PlanDetails(plan.id, plan.name, plan.memory_mb, plan.disk_mb)
    if kept is not None:
        figures = structs.replace(
            figures,
            backup=True,
            manual_backups_count=kept.manual,
            daily_scheduled_backups=kept.daily,
            weekly_scheduled_backups=kept.weekly,
            monthly_scheduled_backups=kept.monthly,
            pitr_backup_days=kept.journal_days,
        )
    return wire.PlanDetailsAnswer(figures)


def encode_metrics(metrics: DatabaseMetrics) -> wire.MetricsAnswer:
    facts, memory = metrics.facts, _memory(metrics)
    return wire.MetricsAnswer(
        cpu_usage=metrics.cpu_percent,
        memory=memory,
        database_stats=dict(metrics.stats),
        real_disk_size=metrics.disk,
        instances_metrics={
            facts.instance.id: wire.InstanceMetrics(
                instance_id=facts.instance.id,
                instance_address=_hostname(facts) or "",
                real_disk_size=metrics.disk,
                cpu=wire.CpuMetrics(metrics.cpu_percent),
                memory=memory,
            )
        },
    )


def _hostname(facts: ServerFacts) -> str | None:
    address = facts.address
    return f"{address.host}:{address.port}" if address else None


def _maintenance_window(database: Database) -> wire.MaintenanceWindow:
    """Any weekday but always the same one; nights of Europe."""
    weekday = int(sha256(database.id.encode()).hexdigest(), 16) % 7
    return wire.MaintenanceWindow(weekday, _MAINTENANCE_HOUR, _MAINTENANCE_HOURS)


def _instances(facts: ServerFacts) -> list[wire.InstanceDetails]:
    address, status = facts.address, _INSTANCE_STATUS[facts.report.status]
    if address is None:
        return []
    return [wire.InstanceDetails(facts.instance.id, address.host, address.port, status, "db-node", address.host)]


def _backups(report: BackupReport | None) -> wire.BackupsState | None:
    if report is None:
        return None
    times = to_datetime_or_none(report.last_at), to_datetime_or_none(report.proved_at)
    return wire.BackupsState(report.state, *times, report.message)


def _server(facts: ServerFacts) -> wire.ServerDetails:
    version = facts.version
    return wire.ServerDetails(
        version.server, facts.instance.full_version, version.licence, version.works_with, version.lacks
    )


def _limits(details: DatabaseDetails) -> wire.Limits:
    facts, enforced_by = details.facts, details.enforced_by
    plan = facts.plan
    return wire.Limits(
        memory=wire.MemoryLimit(plan.memory_mb * MIB, facts.hard_memory, enforced_by["memory"]),
        cpu=wire.CpuLimit(plan.cpu, enforced_by["cpu"]),
        processes=wire.ProcessLimit(enforced_by["processes"]),
        connections=wire.CountLimit(plan.connections, "the server's settings"),
        disk=wire.DiskLimit(plan.disk_mb * MIB, enforced_by["disk"]),
    )


def _isolation(enforced_by: Mapping[str, str]) -> wire.Isolation:
    return wire.Isolation(enforced_by["sandbox"], enforced_by["network"], enforced_by["ports"], enforced_by["uid"])


def _disk(disk: DiskReport) -> wire.Disk:
    restricted_at = to_datetime_or_none(disk.restricted_at)
    return wire.Disk(disk.used, disk.limit, disk.restriction, disk.reason, restricted_at)


def _memory(metrics: DatabaseMetrics) -> wire.MemoryMetrics:
    return wire.MemoryMetrics(
        memory=metrics.memory,
        memory_max=metrics.memory_peak,
        memory_limit=metrics.facts.hard_memory,
        swap=metrics.swap,
        swap_max=metrics.swap,
        swap_limit=0,
        memory_usage=metrics.memory,
        max_memory_usage=metrics.memory_peak,
        swap_usage=metrics.swap,
        max_swap_usage=metrics.swap,
    )
