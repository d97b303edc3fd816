"""`dbyard serve` with two more kinds of operations, whose steps are written as those of the platform are.

`watch_job` is a background operation with a job that runs until a test lets it end. `replace_primary` makes a second
instance of a PostgreSQL, copies the data, points the endpoint at it and retires the first.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from dbyard.model import (
    DAY,
    MIB,
    OPERATIONS,
    DataAccess,
    Instance,
    JobSpec,
    Operation,
    OperationPolicy,
    Role,
)
from dbyard.operations import Context, Done, Kind, Next, Outcome, Save, Step, Wait, jobs, save_all, server
from dbyard.operations.kinds import KINDS
from dbyard.operations.target import (
    address_of,
    admin_password_of,
    issue_certificate,
    layout_of,
    load,
    load_database,
    release_of,
    save_certificate,
)
from dbyard.secrets import make_id
from dbyard.store import Connection, endpoints, instances

WATCH_JOB, REPLACE_PRIMARY = "watch_job", "replace_primary"
_UNTIL_LET_GO = """
n=0
while [ ! -e go ]; do
  n=$((n + 1)); echo "$n 1000 checks" >> "$DBYARD_PROGRESS"; sleep 0.05
done
[ "$(cat go)" = fail ] && { echo "told to fail"; exit 7; }
echo '{"checks": '"$n"'}' > "$DBYARD_RESULT"
"""
_COPY = 'read -r PGPASSWORD; export PGPASSWORD; exec pg_basebackup --pgdata "$1" --dbname "$2" --checkpoint fast'


STEPS = {
    WATCH_JOB: ("run", "finish"),
    REPLACE_PRIMARY: ("add", "copy", "stop", "point", "start", "await_ready"),
}


@contextmanager
def registered() -> Iterator[None]:
    """Both kinds are the platform's for as long as this lasts."""
    kinds = {WATCH_JOB: Kind(_steps(WATCH_JOB), cancel_job), REPLACE_PRIMARY: Kind(_steps(REPLACE_PRIMARY), keep)}
    policies = {
        WATCH_JOB: OperationPolicy(
            "run", stall=30.0, exclusive=False, owns_server=False, cancellable=True, retriable=True, kept=DAY
        ),
        REPLACE_PRIMARY: OperationPolicy("add", deadline=120.0, words="moves to another server"),
    }
    OPERATIONS.update(policies)
    KINDS.update(kinds)
    try:
        yield
    finally:
        for kind in kinds:
            del OPERATIONS[kind], KINDS[kind]


def _steps(kind: str) -> dict[str, Step]:
    return {name: globals()[name] for name in STEPS[kind]}


# ---- watch_job --------------------------------------------------------------------------------------------------


def run(context: Context, operation: Operation) -> Outcome:
    target = load(context, operation)
    spec = JobSpec(
        id=jobs.job_id(operation),
        instance_id=target.instance.id,
        release=release_of(context, target),
        argv=("/bin/sh", "-c", _UNTIL_LET_GO),
        memory=64 * MIB,
        cpu=0.5,
        pids=20,
        data=DataAccess.READ,
    )
    found = jobs.await_job(context, spec)
    return found if isinstance(found, Wait) else Next("finish", result={"said": found.result.strip()})


def finish(context: Context, operation: Operation) -> Outcome:
    cancel_job(context, operation, "")
    return Done()


def cancel_job(context: Context, operation: Operation, reason: str) -> Save | None:
    context.runtime.cancel_job(jobs.job_id(replace(operation, step="run")))
    return None


# ---- replace_primary --------------------------------------------------------------------------------------------


def add(context: Context, operation: Operation) -> Outcome:
    """The second instance has the data's lineage, and so the admin's password."""
    target = load(context, operation)
    found = next((each for each in target.instances if each.role is Role.SCRATCH), None)
    if found is not None:
        return Next("copy", result={"instance_id": found.id})
    first = target.instance
    second = Instance(make_id(), target.database.id, 1, first.full_version, Role.SCRATCH, lineage=first.lineage)
    # A scratch instance that no operation names is removed.
    return Next("copy", lambda connection: instances.insert(connection, second), result={"instance_id": second.id})


def copy(context: Context, operation: Operation) -> Outcome:
    first = load(context, operation)
    second = _other(context, operation, Role.SCRATCH)
    release = release_of(context, first)
    given = context.runtime.allocate(second.id, second.generation, release, lineage=first.lineage)
    where = context.runtime.layout(second.id, given.placement, release)
    address = address_of(context, first)
    spec = JobSpec(
        id=jobs.job_id(operation),
        instance_id=second.id,
        release=release,
        argv=(
            *("/bin/sh", "-c", _COPY, "copy", str(where.data)),
            f"host={address.host} port={address.port} user=dbyard sslmode=disable",
        ),
        stdin=admin_password_of(context, first) + "\n",
        memory=256 * MIB,
        cpu=1.0,
        pids=50,
        data=DataAccess.WRITE,
        connects=True,
    )
    found = jobs.await_job(context, spec)
    if isinstance(found, Wait):
        return found
    certificate = issue_certificate(context, second.id, where.host)
    return Next(
        "stop",
        save_all(
            lambda connection: instances.set_allocated(connection, second.id, given.placement, given.lineage),
            save_certificate(second.id, certificate),
        ),
    )


def stop(context: Context, operation: Operation) -> Outcome:
    context.runtime.cancel_job(jobs.job_id(replace(operation, step="copy")))
    return server.stop(context, load(context, operation)) or Next("point")


def point(context: Context, operation: Operation) -> Outcome:
    first, second = load(context, operation), _other(context, operation, Role.SCRATCH)
    context.runtime.publish(first.endpoint.id, second.id)

    def save(connection: Connection) -> None:
        instances.set_role(connection, first.instance.id, Role.RETIRED)
        instances.set_role(connection, second.id, Role.PRIMARY)
        endpoints.lead_to(connection, first.endpoint.id, second.id)

    return Next("start", save)


def start(context: Context, operation: Operation) -> Outcome:
    target = load(context, operation)
    server.start(context, target)
    assert layout_of(context, target).port == target.endpoint.address.port  # type: ignore[union-attr]
    return Next("await_ready")


def await_ready(context: Context, operation: Operation) -> Outcome:
    target = load(context, operation)
    return server.await_answer(context, target) or Done(server.save_up(context, target))


def keep(context: Context, operation: Operation, reason: str) -> Save | None:
    return None


def _other(context: Context, operation: Operation, role: Role) -> Instance:
    found = load_database(context, operation.database_id).instances
    return next(each for each in found if each.role is role)


if __name__ == "__main__":
    from dbyard.__main__ import main
    from dbyard.runtimes.local import disk_meter
    from tests.e2e import killer

    disk_meter.MOST_AGE = 1.0  # tests write to the directories of servers that do nothing
    if "KILL_AT" in os.environ:
        killer.arm(os.environ["KILL_AT"])
    sys.argv = ["dbyard", *sys.argv[1:]]
    with registered():
        main()
