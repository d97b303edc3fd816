"""import: begin -> allocate -> start -> configure -> inspect -> load -> check -> compare -> end -> switch.

Where a dump becomes the files of a server: allocate -> inspect -> load -> start -> configure -> check.

A dump that was uploaded is loaded into an empty server beside the one that goes on serving, as the tenant and with its
rights alone. Only when all of it is there a `switch` leads the endpoint to that server, as a restore does. Where only
a report is wanted it ends with `discard` after `inspect`.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from secrets import token_hex

import msgspec

from dbyard.archive import uploads
from dbyard.archive.transfer import Order
from dbyard.engines import Backups, Imports
from dbyard.errors import ArchiveUnavailable, JobFailed, PermanentError, StepError, TemporaryError
from dbyard.model import (
    FAULTY,
    MIB,
    ImportReport,
    Instance,
    JobSpec,
    JobState,
    JobStatus,
    Operation,
    RestartNeeded,
    Role,
    Transfer,
)
from dbyard.operations import Context, Done, Kind, Next, Outcome, Save, Wait, jobs, restore, save_all, scratch, server
from dbyard.operations.backup import key_of
from dbyard.operations.target import (
    Target,
    address_of,
    credentials_of,
    issue_certificate,
    layout_of,
    load,
    release_of,
    save_certificate,
)
from dbyard.runtimes import PortTaken
from dbyard.secrets import make_id
from dbyard.store import instances

log = logging.getLogger(__name__)

_UNPACKED = 4
"""So many times its plan's disk a dump may have, unpacked: as text some data are larger than in a server."""
_MOST_COUNTS = 300
_LOOK_AGAIN = 0.25


def begin(context: Context, operation: Operation) -> Outcome:
    """The row of the scratch instance comes first, so that whatever is made of it is known."""
    target = load(context, operation)
    needed, free = 2 * _size(operation), context.host.space().free
    if free < needed:
        raise PermanentError(
            f"the import needs {needed // MIB} MB of disk beside the data that are there, and the machine has"
            f" {free // MIB} MB left",
            code="no_room",
        )
    instance = Instance(make_id(), operation.database_id, 1, target.instance.full_version, Role.SCRATCH)
    return Next(
        "allocate",
        lambda connection: instances.insert(connection, instance),
        result={"instance_id": instance.id, "began_at": context.now()},
    )


def allocate(context: Context, operation: Operation) -> Outcome:
    target = scratch.load(context, operation)
    instance = target.instance
    is_of_files = _engine_of(target).IMPORTS_FILES
    lineage = token_hex(16) if is_of_files else None  # then there is nothing to initialise
    given = context.runtime.allocate(instance.id, instance.generation, release_of(context, target), lineage=lineage)
    address = context.runtime.publish(instance.id, instance.id)
    certificate = issue_certificate(context, instance.id, address.host)
    return Next(
        "inspect" if is_of_files else "start",
        save_all(
            lambda connection: instances.set_allocated(connection, instance.id, given.placement, given.lineage),
            save_certificate(instance.id, certificate),
        ),
    )


def start(context: Context, operation: Operation) -> Outcome:
    """No client is told of its address. Another program may have taken its port: then it gets another one."""
    target = scratch.load(context, operation)
    try:
        return Next("configure", server.start(context, target))
    except PortTaken:
        taken = address_of(context, target).port
        context.runtime.publish(target.instance.id, target.instance.id, avoid=taken)
        raise


def configure(context: Context, operation: Operation) -> Outcome:
    """The tenant is made in it, who loads the dump where that is not loaded yet."""
    target = scratch.load(context, operation)
    outcome = server.configure(context, target)
    if isinstance(outcome, Wait):
        return outcome
    if isinstance(outcome, RestartNeeded):
        raise TemporaryError(f"a new server does not take its settings: {outcome.reason}", code="not_configured")
    return Next("check" if _engine_of(target).IMPORTS_FILES else "inspect")


def inspect(context: Context, operation: Operation) -> Outcome:
    """All of the dump is read, and nothing loaded."""
    target = scratch.load(context, operation)
    if not (_engine_of(target).IMPORTS_FILES or server.is_running(context, target)):
        return Next("start")
    try:
        found = jobs.await_job(context, _spec(context, operation, target, load=False))
    except JobFailed as error:
        raise _judge(error) from error
    if isinstance(found, Wait):
        return replace(found, seconds=_LOOK_AGAIN)
    report = msgspec.json.decode(found.result, type=ImportReport)
    return Next("discard" if operation.params["check"] else "load", result={"report": asdict(report)})


def discard(context: Context, operation: Operation) -> Outcome:
    """What was wanted is the report alone."""
    removed = scratch.destroy(context, operation)
    _remove_upload(context, operation)
    return Done(removed)


def load_dump(context: Context, operation: Operation) -> Outcome:
    """Once: what an attempt that was broken off has left would be in the way of the next one."""
    report = msgspec.convert(operation.result["report"], ImportReport)
    if report.refused:
        raise PermanentError("; ".join(report.refused), code="import_refused")
    target = scratch.load(context, operation)
    try:
        found = _await_load(context, target, _spec(context, operation, target, load=True))
    except PermanentError:
        raise
    except StepError as error:
        if isinstance(error, JobFailed) and error.exit_code == FAULTY:
            raise _judge(error) from error
        said = error.last_line if isinstance(error, JobFailed) else str(error)
        raise PermanentError(
            f"the load was broken off, and has to be asked for once more: {said or error}", code=error.code
        ) from error
    if isinstance(found, Wait):
        return found
    return Next("start" if _engine_of(target).IMPORTS_FILES else "check")


def check(context: Context, operation: Operation) -> Outcome:
    target = scratch.load(context, operation)
    if not server.is_running(context, target):
        return Next("start")
    if not isinstance(target.engine, Backups):
        return Next("compare")
    found = scratch.find_faults(context, operation, target)
    if isinstance(found, JobFailed):
        raise PermanentError(f"the checker finds faults in what was loaded: {found}", code="bad_dump") from found
    return found or Next("compare")


def compare(context: Context, operation: Operation) -> Outcome:
    """What is there now, for whoever asked."""
    target = scratch.load(context, operation)
    if not server.is_running(context, target):
        return Next("start")
    found = _count(context, target)
    return Next("end", result={"counts": dict(list(found.items())[:_MOST_COUNTS])})


def switch(context: Context, operation: Operation) -> Outcome:
    """As a restore ends; what came into the database meanwhile is not replaced unless that was wanted."""
    if not operation.params["replace"] and not restore.is_switch_asked(context, operation):
        content = _count(context, load(context, operation))
        if any(content.values()):
            raise PermanentError(
                "the database is not empty any more: import with `replace`, which keeps what is there for a day",
                code="not_empty",
            )
    outcome = restore.switch(context, operation)
    if isinstance(outcome, Done):
        _remove_upload(context, operation)
    return outcome


def on_failure(context: Context, operation: Operation, reason: str) -> Save | None:
    """The database is as it was, unless the switch was asked for already: that one decides."""
    _remove_upload(context, operation)
    return restore.on_failure(context, operation, reason)


KIND = Kind(
    steps={
        "begin": begin,
        "allocate": allocate,
        "start": start,
        "configure": configure,
        "inspect": inspect,
        "discard": discard,
        "load": load_dump,
        "check": check,
        "compare": compare,
        "end": restore.end,
        "switch": switch,
    },
    on_failure=on_failure,
)


def _spec(context: Context, operation: Operation, target: Target, *, load: bool) -> JobSpec:
    layout, credentials, plan = layout_of(context, target), credentials_of(context, target), target.plan
    tool = _engine_of(target).render_import(layout, credentials, plan, _UNPACKED * plan.disk_mb * MIB, load=load)
    order = Order(
        location=replace(context.archive, copy=None),
        name=uploads.name_of(operation.database_id, str(operation.params["upload_id"])),
        key=key_of(context, operation.database_id),
        level=uploads.LEVEL,
        total=_size(operation),
    )
    transfer = Transfer("get", msgspec.json.encode(order).decode(), reports=True)
    return jobs.spec_of(context, operation, target, tool, transfer)


def _engine_of(target: Target) -> Imports:
    """Raises PermanentError where the technology has no imports."""
    if not isinstance(target.engine, Imports):
        raise PermanentError(f"there is no import into {target.technology.name}", code="no_import")
    return target.engine


def _await_load(context: Context, target: Target, spec: JobSpec) -> Wait | JobState:
    """As `jobs.await_job`, but one that has failed stays, so that it never begins again."""
    context.runtime.run_job(spec)
    state = context.runtime.job(spec.id)
    if state.state is JobStatus.SUCCEEDED:
        return state
    if state.state is JobStatus.FAILED:
        raise jobs.failure_of(spec, state)
    used, allowed = context.runtime.disk_used(target.instance.id), target.plan.disk_mb * MIB
    if used > allowed or not context.host.has_room():
        raise PermanentError(
            f"what is loaded takes {used // MIB} MB already, and the plan has {allowed // MIB} MB of disk:"
            " choose a larger plan first"
            if used > allowed
            else "the disk of this machine is full",
            code="no_room",
        )
    return Wait(_LOOK_AGAIN, "the dump is loaded", progress=state.progress)


def _judge(error: JobFailed) -> StepError:
    if error.exit_code == FAULTY:
        return PermanentError(f"the dump cannot be loaded: {error.last_line}", code="bad_dump")
    return error


def _count(context: Context, target: Target) -> dict[str, int]:
    if not isinstance(target.engine, Backups):
        return {}
    found = target.engine.count(address_of(context, target), credentials_of(context, target))
    return {name: each.number for name, each in found.items()}


def _size(operation: Operation) -> int:
    return int(str(operation.params["size"]))


def _remove_upload(context: Context, operation: Operation) -> None:
    """Where the archive does not serve it goes later."""
    try:
        uploads.remove(context.archive, operation.database_id, str(operation.params["upload_id"]))
    except ArchiveUnavailable as error:
        log.warning("the upload of import %s is still in the archive: %s", operation.id, error)
