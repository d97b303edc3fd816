"""Operations and their histories on the wire."""

from __future__ import annotations

from collections.abc import Sequence

from dbyard import wire
from dbyard.model import Progress
from dbyard.model.times import to_datetime, to_datetime_or_none
from dbyard.service.databases.operations import OperationHistory


def encode_all(found: Sequence[OperationHistory]) -> wire.OperationsAnswer:
    return wire.OperationsAnswer([_operation(each) for each in found])


def encode(found: OperationHistory) -> wire.OperationAnswer:
    return wire.OperationAnswer(_operation(found))


def _operation(history: OperationHistory) -> wire.Operation:
    operation = history.operation
    error = wire.OperationError(operation.error_code or "", operation.error or "") if operation.error else None
    steps = [
        wire.OperationStep(event.step, to_datetime(event.at), event.outcome, event.message) for event in history.events
    ]
    return wire.Operation(
        id=operation.id,
        kind=operation.kind,
        status=operation.status,
        step=operation.step,
        attempt=operation.attempt,
        error=error,
        steps=steps,
        created_at=to_datetime(operation.created_at),
        finished_at=to_datetime_or_none(operation.finished_at),
        deadline_at=to_datetime(operation.deadline_at),
        progress=encode_progress(operation.progress),
        cancellable=history.cancellable,
        retriable=history.retriable,
    )


def encode_progress(progress: Progress | None) -> wire.OperationProgress | None:
    return wire.OperationProgress(progress.done, progress.total, progress.unit) if progress else None
