"""Data as they were at a moment: a backup that was restored, and its server's journal replayed on it.

find_journal, before the backup is restored; then fetch_journal -> replay_journal.
"""

from __future__ import annotations

import msgspec

from dbyard.archive import journals
from dbyard.archive.journals import Stretch
from dbyard.archive.transfer import Order
from dbyard.engines import Journals
from dbyard.errors import JobFailed, PermanentError
from dbyard.model import FAULTY, MIB, Backup, JobState, JournalMark, Operation, Transfer
from dbyard.operations import Context, Next, Wait, jobs
from dbyard.operations.backup import await_delivery, key_of
from dbyard.operations.target import Target, layout_of

STEPS = ("find_journal", "fetch_journal", "replay_journal")


def is_wanted(operation: Operation) -> bool:
    """Whether the data are to be those of a moment, and not of a backup alone."""
    return "until" in operation.params


def find_journal(context: Context, operation: Operation, backup: Backup) -> Next:
    """Raises ObjectMissing where something of it is missing, PermanentError with figures where the disk lacks room."""
    wanted = _wanted(operation, backup)
    needed = journals.select(journals.list_pieces(context.archive, backup.journal_directory), wanted)
    size, free = needed[-1].end - wanted.start, context.host.space().free
    room = 2 * ((backup.size or 0) + size)
    if free < room:
        raise PermanentError(
            f"the restore needs {room // MIB} MB of disk, of which the journal since the backup takes"
            f" {size // MIB} MB, and the machine has {free // MIB} MB left",
            code="no_room",
        )
    # Where it ends before the moment, all of it is wanted, and the server need not be told where to stop.
    until = wanted.until if needed[-1].at > wanted.until else None
    return Next("restore", result={"journal_end": needed[-1].end, "stop_at": until})


def fetch_journal(context: Context, operation: Operation, target: Target, backup: Backup) -> Wait | JobState:
    """Put what of the journal is needed beside the data; raises as `await_job` does."""
    wanted = _wanted(operation, backup)
    mark = _mark(backup)
    order = Order(
        location=context.archive,
        name=backup.journal_directory,
        key=key_of(context, backup.database_id),
        total=_end(operation) - wanted.start,
        journal=wanted,
    )
    tool = _engine_of(target).render_journal(layout_of(context, target), mark)
    transfer = Transfer("get", msgspec.json.encode(order).decode(), adds=True)
    return await_delivery(context, jobs.spec_of(context, operation, target, tool, transfer))


def replay_journal(context: Context, operation: Operation, target: Target, backup: Backup) -> Wait | JobState:
    """Bring the data to the moment. Raises PermanentError with what the server says when it cannot."""
    until, layout = operation.result["stop_at"], layout_of(context, target)
    stop_at = until if isinstance(until, float) else None
    tool = _engine_of(target).render_replay(layout, _mark(backup), _end(operation), stop_at)
    try:
        return jobs.await_job(context, jobs.spec_of(context, operation, target, tool))
    except JobFailed as error:
        if error.exit_code != FAULTY:
            raise
        raise PermanentError(f"the journal cannot be replayed: {error}", code="replay_failed") from error


def _wanted(operation: Operation, backup: Backup) -> Stretch:
    until, reach = (float(str(operation.params[name])) for name in ("until", "reach"))
    return Stretch(backup.position or 0, until, reach)


def _mark(backup: Backup) -> JournalMark:
    return JournalMark(str(backup.journal).partition(".")[0], backup.position or 0)


def _end(operation: Operation) -> int:
    return int(str(operation.result["journal_end"]))


def _engine_of(target: Target) -> Journals:
    if not isinstance(target.engine, Journals):
        raise PermanentError(f"{target.technology.name} keeps no journal here", code="no_journal")
    return target.engine
