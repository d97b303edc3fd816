"""Operations: kinds, rules, one of them and its history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class OperationKind(StrEnum):
    CREATE = "create"
    DELETE = "delete"
    HEAL = "heal"
    RESTRICT = "restrict"
    ROTATE = "rotate"
    UPDATE = "update"


class OperationStatus(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class OperationRules:
    """Where an operation of a kind begins and how many seconds it may take in all."""

    first_step: str
    deadline: float


OPERATIONS: Mapping[OperationKind, OperationRules] = {
    OperationKind.CREATE: OperationRules("place", 120.0),
    OperationKind.HEAL: OperationRules("examine", 600.0),
    OperationKind.RESTRICT: OperationRules("apply", 600.0),
    OperationKind.ROTATE: OperationRules("apply", 600.0),
    OperationKind.UPDATE: OperationRules("resize", 600.0),
    OperationKind.DELETE: OperationRules("destroy", 600.0),
}


@dataclass(frozen=True, slots=True)
class Operation:
    id: str
    database_id: str
    kind: OperationKind
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


@dataclass(frozen=True, slots=True)
class OperationEvent:
    """One line of an operation's history: a step that was done or an attempt that failed."""

    at: float
    step: str
    outcome: str
    message: str
