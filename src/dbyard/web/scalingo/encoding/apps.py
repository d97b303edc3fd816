"""A database as an app; operations and endpoints as the clients of apps read them."""

from __future__ import annotations

from collections.abc import Sequence

from dbyard.model import DatabaseStatus, Operation, OperationStatus
from dbyard.model.times import to_datetime, to_datetime_or_none
from dbyard.service.databases.status import DatabaseOverview
from dbyard.wire import apps as wire

_STATUS = {
    DatabaseStatus.CREATING: "new",
    DatabaseStatus.RUNNING: "running",
    DatabaseStatus.UPDATING: "restarting",
    DatabaseStatus.STOPPED: "stopped",
}
_DEDICATED = {"dedicated-database": True}
"""What tells clients that the app is a database and nothing else."""


def encode_all(overviews: Sequence[DatabaseOverview], region: str) -> wire.AppsAnswer:
    return wire.AppsAnswer([_app(each, region) for each in overviews])


def encode(overview: DatabaseOverview, region: str) -> wire.AppAnswer:
    return wire.AppAnswer(_app(overview, region))


def encode_operation(operation: Operation) -> wire.AppOperationAnswer:
    return _operation(operation, operation.status)


def encode_finished_operation(operation: Operation) -> wire.AppOperationAnswer:
    """The Database API calls an operation that is done `finished`."""
    return _operation(operation, "finished" if operation.status == OperationStatus.DONE else operation.status)


def no_drains(_authorized: object) -> wire.DrainsAnswer:
    return wire.DrainsAnswer([])


def _app(overview: DatabaseOverview, region: str) -> wire.AppDetails:
    database, project, owner, report = overview.database, overview.project, overview.owner, overview.report
    return wire.AppDetails(
        id=database.id,
        name=database.name,
        owner=wire.Owner(owner.id, owner.username, owner.email),
        project=wire.AppProject(project.id, project.name),
        region=region,
        status=_STATUS[report.status],
        flags=_DEDICATED,
        created_at=to_datetime(database.created_at),
        updated_at=to_datetime(report.updated_at or database.created_at),
    )


def _operation(operation: Operation, status: str) -> wire.AppOperationAnswer:
    return wire.AppOperationAnswer(
        wire.AppOperation(
            id=operation.id,
            type=operation.kind,
            status=status,
            created_at=to_datetime(operation.created_at),
            finished_at=to_datetime_or_none(operation.finished_at),
            error=operation.error,
        )
    )
