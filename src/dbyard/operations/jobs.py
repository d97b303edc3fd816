"""What the steps of several kinds do with a job: start it, show its progress, take its result."""

from __future__ import annotations

from dbyard.errors import TemporaryError
from dbyard.model import JobSpec, JobState, JobStatus, Operation
from dbyard.operations import Context, Wait

_LOOK_AGAIN = 1.0


def job_id(operation: Operation) -> str:
    """One job a step: the same whenever the step runs again."""
    return f"{operation.id}-{operation.step}"


def await_job(context: Context, spec: JobSpec) -> Wait | JobState:
    """The job that has succeeded, else how long to wait for it; it is started when it is not there.

    Raises TemporaryError with its last lines when it has failed; it is removed then, and the next attempt starts anew.
    """
    context.runtime.run_job(spec)
    state = context.runtime.job(spec.id)
    match state.state:
        case JobStatus.SUCCEEDED:
            return state
        case JobStatus.FAILED:
            context.runtime.cancel_job(spec.id)
            raise TemporaryError(_describe(state), code="job_failed")
        case _:
            return Wait(_LOOK_AGAIN, "the job runs", progress=state.progress)


def _describe(state: JobState) -> str:
    ended = state.reason or f"ended with exit code {state.code}"
    lines = "\n".join(state.log_tail)
    return f"the job failed: {ended}; its last lines:\n{lines}" if lines else f"the job failed: {ended}"
