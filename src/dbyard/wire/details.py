"""What the Database API answers: a database as its server is, and what it uses."""

from __future__ import annotations

from msgspec import Struct

from dbyard.wire import Date


class ServerDetails(Struct, frozen=True):
    """The program that really answers; `full_version` is its own."""

    name: str
    full_version: str
    licence: str
    works_with: str
    lacks: str


class MemoryLimit(Struct, frozen=True):
    """`bytes` are for the server's work; as a whole it is held to `hard_bytes`."""

    bytes: int
    hard_bytes: int
    held_by: str


class CpuLimit(Struct, frozen=True):
    cores: float
    held_by: str


class CountLimit(Struct, frozen=True):
    count: int
    held_by: str


class ProcessLimit(Struct, frozen=True):
    held_by: str


class DiskLimit(Struct, frozen=True):
    bytes: int
    held_by: str


class Limits(Struct, frozen=True):
    """What the database may use, and what on this machine holds it to that."""

    memory: MemoryLimit
    cpu: CpuLimit
    processes: ProcessLimit
    connections: CountLimit
    disk: DiskLimit


class Isolation(Struct, frozen=True):
    """What keeps servers from each other and from the machine, in words: `bubblewrap` or `none`, and so on."""

    sandbox: str
    network: str
    ports: str
    uid: str


class Disk(Struct, frozen=True):
    """Bytes; `restriction` is none, read_only or closed, `reason` says why, and warns from 85 % on."""

    used: int
    limit: int
    restriction: str
    reason: str | None
    restricted_at: Date | None


class InstanceDetails(Struct, frozen=True):
    id: str
    hostname: str
    port: int
    status: str
    type: str
    private_ip: str


class InstanceStatus(Struct, frozen=True):
    """One of the bare list that clients read; `role` is leader."""

    id: str
    type: str
    status: str
    role: str


class FeatureStatus(Struct, frozen=True):
    name: str
    status: str


class MaintenanceWindow(Struct, frozen=True):
    """`weekday_utc` from 0 (Sunday) to 6."""

    weekday_utc: int
    starting_hour_utc: int
    duration_in_hour: int


class BackupsState(Struct, frozen=True):
    """`state` is ok, off, failing or overdue, and then `message` says why.

    The times are those of the last backup that is done, and of the last that is proved.
    """

    state: str
    last_at: Date | None
    proved_at: Date | None
    message: str | None


class DatabaseDetails(Struct, frozen=True):
    """A database as Scalingo's Database API describes it, and `server`, `limits`, `isolation`, `disk` and `backups`
    beside that.

    `status` is creating, running, updating (its plan) or stopped: then `error` says why it never got ready or could not
    be brought back. `hostname` is HOST:PORT, null before there is one.
    """

    id: str
    resource_id: str
    app_name: str
    created_at: Date
    encryption_at_rest: bool
    plan: str
    status: str
    error: str | None
    type_id: str
    type_name: str
    version_id: str
    next_version_id: str | None
    readable_version: str
    hostname: str | None
    mongo_repl_set_name: str | None
    instances: list[InstanceDetails]
    features: list[FeatureStatus]
    current_operation_id: str | None
    cluster: bool
    periodic_backups_enabled: bool
    periodic_backups_scheduled_at: list[int]
    maintenance_window: MaintenanceWindow
    first_pitr_backup: Date | None
    flags: list[str]
    server: ServerDetails
    limits: Limits
    isolation: Isolation
    disk: Disk
    backups: BackupsState | None
    """None for a technology without backups."""


class DetailsAnswer(Struct, frozen=True):
    database: DatabaseDetails


class MemoryMetrics(Struct, frozen=True):
    """Bytes, each under both names that clients know it by."""

    memory: int
    memory_max: int
    memory_limit: int
    swap: int
    swap_max: int
    swap_limit: int
    memory_usage: int
    max_memory_usage: int
    swap_usage: int
    max_swap_usage: int


class CpuMetrics(Struct, frozen=True):
    usage_in_percents: int


class InstanceMetrics(Struct, frozen=True):
    instance_id: str
    instance_address: str
    real_disk_size: int
    cpu: CpuMetrics
    memory: MemoryMetrics


class MetricsAnswer(Struct, frozen=True):
    """`cpu_usage` is a percentage of the plan's cores; `database_stats` is empty while the server does not answer."""

    cpu_usage: int
    memory: MemoryMetrics
    database_stats: dict[str, int | float]
    real_disk_size: int
    instances_metrics: dict[str, InstanceMetrics]


class PlanDetails(Struct, frozen=True):
    """Memory and disk in MB; what is kept of backups, by each way to make them."""

    id: str
    name: str
    memory: int
    disk: int
    backup: bool = False
    manual_backups_count: int = 0
    daily_scheduled_backups: int = 0
    weekly_scheduled_backups: int = 0
    monthly_scheduled_backups: int = 0
    pitr_backup_days: int = 0
    gateway_nodes: int = 0


class PlanDetailsAnswer(Struct, frozen=True):
    plan: PlanDetails
