"""Operations: what each kind means, as data; one operation; its history and its progress."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dbyard.model.specs import Progress
from dbyard.model.states import DatabaseStatus

DAY = 86400.0


class OperationKind(StrEnum):
    CREATE = "create"
    DELETE = "delete"
    HEAL = "heal"
    CONFIGURE = "configure"
    RESIZE = "resize"
    UPGRADE = "upgrade"
    RENEW_CERTIFICATE = "renew_certificate"
    BACKUP = "backup"
    VERIFY_BACKUP = "verify_backup"
    RESTORE = "restore"
    SWITCH = "switch"
    IMPORT = "import"
    RECOVER = "recover"


class OperationStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class OperationPolicy:
    """What a kind of operation means to everything that does not run its steps.

    Exactly one of `deadline` (seconds for all of it) and `stall` (seconds without progress) ends one that does not end
    by itself.
    """

    first_step: str
    deadline: float | None = None
    stall: float | None = None
    exclusive: bool = True
    """One exclusive operation a database at a time; the others run beside it and beside each other."""
    owns_server: bool = True
    """While it is active the server is its own: the drift, disk and health monitors leave it alone."""
    status: DatabaseStatus | None = None
    """What the database's status is meanwhile; None when the facts say it."""
    words: str = "is being changed"
    """What the database does meanwhile, for the message of a refusal."""
    starting: frozenset[str] = frozenset()
    """The steps that start a server or wait until it answers."""
    urgent: bool = False
    """Claimed before all others, by any worker."""
    held: frozenset[str] = frozenset()
    """Of an urgent one: the steps that a tenant's server may hold up. Where there are any, it is not urgent at these,
    and not once an attempt has failed or had to wait."""
    yields: bool = False
    """While no worker runs its step, a change that its owner asks for may take its place."""
    cancellable: bool = False
    retriable: bool = False
    announced: bool = True
    """Whether its good end is an event; that it failed always is one."""
    kept: float | None = 7 * DAY
    """Seconds that it is shown after its end; None for as long as there is the database."""

    @property
    def patience(self) -> float:
        """Seconds until it fails, from now or from its last progress."""
        return self.deadline or self.stall or 0.0


OPERATIONS: dict[str, OperationPolicy] = {
    OperationKind.CREATE: OperationPolicy(
        "allocate",
        deadline=120.0,
        words="is not ready yet",
        starting=frozenset({"allocate", "start", "configure"}),
        urgent=True,
        retriable=True,
        kept=None,
    ),
    OperationKind.HEAL: OperationPolicy(
        "diagnose",
        deadline=600.0,
        words="is being repaired",
        starting=frozenset({"start", "await_ready"}),
        urgent=True,
        held=frozenset({"configure"}),
        yields=True,
    ),
    OperationKind.CONFIGURE: OperationPolicy(
        "apply",
        deadline=600.0,
        owns_server=False,
        words="is being configured",
        starting=frozenset({"stop", "start", "open"}),
        yields=True,
        announced=False,
    ),
    OperationKind.RESIZE: OperationPolicy(
        "resize",
        deadline=600.0,
        status=DatabaseStatus.UPDATING,
        words="gets another plan",
        starting=frozenset({"start", "await_ready"}),
    ),
    OperationKind.UPGRADE: OperationPolicy(
        "stop",
        deadline=600.0,
        status=DatabaseStatus.UPDATING,
        words="moves to another build of its server",
        starting=frozenset({"start", "await_ready"}),
    ),
    OperationKind.RENEW_CERTIFICATE: OperationPolicy("issue", deadline=600.0, owns_server=False),
    OperationKind.BACKUP: OperationPolicy("begin", stall=900.0, exclusive=False, owns_server=False, cancellable=True),
    OperationKind.VERIFY_BACKUP: OperationPolicy(
        "begin", stall=900.0, exclusive=False, owns_server=False, cancellable=True, announced=False
    ),
    OperationKind.RESTORE: OperationPolicy(
        "begin", stall=900.0, exclusive=False, owns_server=False, cancellable=True, announced=False, kept=30 * DAY
    ),
    OperationKind.SWITCH: OperationPolicy(
        "stop",
        deadline=600.0,
        status=DatabaseStatus.UPDATING,
        words="gets other data",
        starting=frozenset({"start", "await_ready"}),
        kept=30 * DAY,
    ),
    OperationKind.IMPORT: OperationPolicy(
        "begin", stall=900.0, exclusive=False, owns_server=False, cancellable=True, announced=False, kept=30 * DAY
    ),
    OperationKind.RECOVER: OperationPolicy(
        "allocate",
        stall=DAY,
        words="is being recovered",
        starting=frozenset({"allocate", "start", "configure"}),
        retriable=True,
        kept=30 * DAY,
    ),
    OperationKind.DELETE: OperationPolicy("destroy", deadline=600.0, words="is being deleted", urgent=True, kept=None),
}
"""By kind. What a kind means stands here and nowhere else; its steps are a module of `operations`."""


@dataclass(frozen=True, slots=True)
class Operation:
    """`params` and `result` are JSON objects whose fields depend on the kind; they never hold a secret."""

    id: str
    database_id: str
    kind: str
    """An `OperationKind`, or one that another version of the platform knows."""
    step: str
    status: OperationStatus
    attempt: int
    run_at: float
    deadline_at: float
    token: str | None
    error_code: str | None
    error: str | None
    created_at: float
    finished_at: float | None
    instance_id: str | None = None
    """The instance that it is about; None for the database's primary."""
    params: Mapping[str, object] = field(default_factory=dict)
    result: Mapping[str, object] = field(default_factory=dict)
    progress: Progress | None = None
    cancel_requested_at: float | None = None

    @property
    def active(self) -> bool:
        return self.status in (OperationStatus.PENDING, OperationStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class OperationEvent:
    """One line of an operation's history: a step that was done or an attempt that failed."""

    at: float
    step: str
    outcome: str
    message: str
