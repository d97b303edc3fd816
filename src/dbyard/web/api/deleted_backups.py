"""`/v1/deleted_backups`: backups of databases that are deleted, and new databases that are made of them."""

from __future__ import annotations

from dbyard import wire
from dbyard.service.databases import deleted_backups
from dbyard.web.api.encoding import backups as encoding
from dbyard.web.api.encoding import databases as database_encoding
from dbyard.web.handlers import for_principal
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.wire.backups import DeletedBackupsAnswer

_BACKUP = Parameter(
    "deleted_backup", "path", "The backup's id", {"type": "string"}, required=True, source="/deleted_backups/0/id"
)
_INTO = Parameter("into", "query", "The name of the new database", {"type": "string"}, required=True)


def routes() -> list[Route]:
    return [
        route("/v1/deleted_backups", get=_LIST),
        route("/v1/deleted_backups/{deleted_backup}/restore", post=_RESTORE),
    ]


def restore(call: Call) -> wire.DatabaseAnswer:
    made = deleted_backups.restore(call.service, call.principal, call.path["deleted_backup"], call.query("into"))
    return database_encoding.encode(made)


_LIST = Method(
    for_principal(deleted_backups.list_all, encoding.encode_deleted),
    "List the backups of deleted databases that may be restored, newest first",
    DeletedBackupsAnswer,
)
_RESTORE = Method(
    restore,
    "Make a new database of a backup whose database is deleted",
    wire.DatabaseAnswer,
    status=202,
    writes=True,
    parameters=(_BACKUP, _INTO),
    errors={404: wire.Error, 409: wire.Error, 422: wire.Errors},
)
