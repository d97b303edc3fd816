"""The platform's Prometheus metrics. Every metric is defined here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = CONTENT_TYPE_LATEST

_REQUEST_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_OPERATION_SECONDS = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 600.0)


class Metrics:
    """The registry of one platform; safe to use from any thread."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._add_requests(registry)
        self._add_operations(registry)
        self._add_servers(registry)
        self._add_backups(registry)
        self._databases = Gauge("dbyard_databases", "Databases that exist", ["technology", "plan"], registry=registry)

    def render(self, databases: Mapping[tuple[str, str], int], operations: Mapping[tuple[str, str], int]) -> bytes:
        """The text that Prometheus scrapes, with the current numbers of databases and operations."""
        _set_all(self._databases, databases)
        _set_all(self._queue, operations)
        return generate_latest(self._registry)

    def set_journal_lags(self, lags: Mapping[str, float]) -> None:
        """By the id of the database."""
        _set_all(self._journal_lag, {(database_id,): seconds for database_id, seconds in lags.items()})

    def _add_requests(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "dbyard_http_requests", "Answered HTTP requests", ["method", "path", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "dbyard_http_request_seconds",
            "Time from a request to its answer",
            ["path"],
            buckets=_REQUEST_SECONDS,
            registry=registry,
        )
        self.rejected_tokens = Counter(
            "dbyard_rejected_tokens",
            "Requests with an invalid or expired token or password",
            registry=registry,
        )

    def _add_operations(self, registry: CollectorRegistry) -> None:
        self.operations = Counter(
            "dbyard_operations_finished",
            "Operations that have ended; outcome is done or the error's code",
            ["kind", "outcome"],
            registry=registry,
        )
        self.operation_seconds = Histogram(
            "dbyard_operation_seconds",
            "Time from the request of an operation to its end",
            ["kind"],
            buckets=_OPERATION_SECONDS,
            registry=registry,
        )
        self.failed_attempts = Counter(
            "dbyard_operation_failed_attempts",
            "Failed attempts of a step, which are retried",
            ["kind", "step", "code"],
            registry=registry,
        )
        self.deadlines_passed = Counter(
            "dbyard_operation_deadlines_passed", "Operations that passed their deadline", ["kind"], registry=registry
        )
        self._queue = Gauge("dbyard_operations", "Recorded operations", ["kind", "status"], registry=registry)

    def _add_backups(self, registry: CollectorRegistry) -> None:
        self.archive_copy_missing = Gauge(
            "dbyard_archive_copy_missing_objects", "Objects of the archive that its copy lacks", registry=registry
        )
        self.archive_copy_lag = Gauge(
            "dbyard_archive_copy_lag_seconds",
            "How long ago the copy of the archive had all objects, or the platform was started since",
            registry=registry,
        )
        self.late_backups = Gauge(
            "dbyard_late_backups",
            "Databases whose last backup is too old (overdue), or failed or is damaged (failing)",
            ["state"],
            registry=registry,
        )
        self.state_copied = Gauge(
            "dbyard_state_copied_timestamp_seconds",
            "When the platform's own state was last copied into the archive; 0 when it is not known to have been",
            registry=registry,
        )
        self.state_copy_failures = Counter(
            "dbyard_state_copy_failures", "Failed attempts to copy the platform's own state", registry=registry
        )

    def _add_servers(self, registry: CollectorRegistry) -> None:
        self.server_exits = Counter(
            "dbyard_server_exits",
            "Database servers that ended unexpectedly",
            ["technology", "cause"],
            registry=registry,
        )
        self.silent_servers = Gauge(
            "dbyard_silent_servers", "Running servers that do not answer the health check", registry=registry
        )
        self.unknown_instances = Gauge(
            "dbyard_unknown_instances",
            "Instances in the home that the state does not know; their servers are stopped, their files kept",
            registry=registry,
        )
        self.disk_warnings = Counter(
            "dbyard_disk_warnings", "Times that a database reached 85 % of its disk", registry=registry
        )
        self.restrictions = Counter(
            "dbyard_restrictions",
            "Changes of a tenant's rights because of its disk; none means that a restriction was lifted",
            ["restriction"],
            registry=registry,
        )
        self.forced_closes = Counter(
            "dbyard_forced_closes", "Servers stopped because they could not be closed in time", registry=registry
        )
        self.disk_seconds = Counter(
            "dbyard_disk_measuring_seconds", "Time spent measuring the disks of databases", registry=registry
        )
        self.spares = Gauge(
            "dbyard_spares",
            "Prepared directories that no database uses yet",
            ["technology", "version"],
            registry=registry,
        )
        self.running_spares = Gauge(
            "dbyard_running_spares",
            "Running servers that no database uses yet",
            ["technology", "version"],
            registry=registry,
        )
        self._journal_lag = Gauge(
            "dbyard_journal_lag_seconds",
            "Seconds of a database's last writes that the archive may lack for a restore to a moment",
            ["database"],
            registry=registry,
        )
        self.running_spares_refused = Counter(
            "dbyard_running_spares_refused",
            "Running spares not started, or stopped, because the machine has too little memory",
            registry=registry,
        )


def _set_all(gauge: Gauge, values: Mapping[Any, float]) -> None:
    gauge.clear()
    for labels, value in values.items():
        gauge.labels(*labels).set(value)
