"""What the steps of several kinds do with a job: start it, show its progress, take its result."""

from __future__ import annotations

from dbyard.archive.transfer import DAMAGED, TOO_MUCH, UNAVAILABLE
from dbyard.errors import ArchiveUnavailable, BackupDamaged, JobFailed, PermanentError, StepError
from dbyard.model import MIB, JobSpec, JobState, JobStatus, Operation, OperationKind, Tool, Transfer
from dbyard.operations import Context, Wait
from dbyard.operations.target import Target, release_of

_LOOK_AGAIN, _FIRST_LOOK = 0.25, 0.1
_TRANSFER_ERRORS: dict[int | None, type[StepError]] = {
    DAMAGED: BackupDamaged,
    UNAVAILABLE: ArchiveUnavailable,
    TOO_MUCH: PermanentError,
}
_MEMORY, _PIDS, _NICE = 384 * MIB, 50, 10
_IN_BACKGROUND = (OperationKind.BACKUP, OperationKind.VERIFY_BACKUP)
_CPU = 2.0
"""Cores, at least: what a program writes is compressed meanwhile. They are those that nobody else wants."""


def job_id(operation: Operation) -> str:
    """One job a step: the same whenever the step runs again."""
    return f"{operation.id}-{operation.step}"


def spec_of(
    context: Context, operation: Operation, target: Target, tool: Tool, transfer: Transfer | None = None
) -> JobSpec:
    """The job that runs an engine's tool beside the target's instance; where nobody waits it gives way to servers."""
    return JobSpec(
        id=job_id(operation),
        instance_id=target.instance.id,
        release=release_of(context, target),
        argv=tool.argv,
        memory=tool.memory or _MEMORY,
        cpu=max(target.plan.cpu, _CPU),
        pids=_PIDS,
        env=tool.env,
        stdin=tool.stdin,
        data=tool.data,
        files=tool.files,
        connects=tool.connects,
        transfer=transfer,
        nice=_NICE if operation.kind in _IN_BACKGROUND else 0,
        python=tool.python,
    )


def await_job(context: Context, spec: JobSpec) -> Wait | JobState:
    """The job that has succeeded, else how long to wait for it; it is started when it is not there.

    Raises JobFailed with its last lines when it has failed, and what its transfer failed by where that has. Then it is
    removed, and the next attempt starts anew.
    """
    context.runtime.run_job(spec)
    state = context.runtime.job(spec.id)
    match state.state:
        case JobStatus.SUCCEEDED:
            return state
        case JobStatus.FAILED:
            context.runtime.cancel_job(spec.id)
            raise failure_of(spec, state)
        case _:
            pause = _LOOK_AGAIN if state.progress else _FIRST_LOOK
            return Wait(pause, "the job runs", progress=state.progress)


def failure_of(spec: JobSpec, state: JobState) -> StepError:
    """Why a job has failed, as `await_job` raises it."""
    if spec.transfer and state.code in _TRANSFER_ERRORS:
        return _TRANSFER_ERRORS[state.code]("; ".join(state.log_tail))
    return JobFailed(_describe(state), state.code, state.log_tail[-1] if state.log_tail else "")


def _describe(state: JobState) -> str:
    ended = state.reason or f"ended with exit code {state.code}"
    lines = "\n".join(state.log_tail)
    return f"the job failed: {ended}; its last lines:\n{lines}" if lines else f"the job failed: {ended}"
