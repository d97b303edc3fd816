"""`/api/databases/{database}/backups` and `/api/backups`: backups, their proof, and their download by a link."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dbyard import wire
from dbyard.model import Scope
from dbyard.service.databases import backups
from dbyard.web.api.encoding import databases as database_encoding
from dbyard.web.api.encoding import operations as operation_encoding
from dbyard.web.handlers import for_path
from dbyard.web.parameters import DATABASE
from dbyard.web.replies import Parts, Pause, Reply, headers_for
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.web.scalingo.encoding import backups as encoding
from dbyard.wire.backups import BackupAnswer, BackupsAnswer, DownloadAnswer, ReplacedAnswer, RestorationAnswer

_BACKUP = Parameter(
    "backup", "path", "The backup's id", {"type": "string"}, required=True, source="/database_backup/id"
)
_RESTORATION_ID = Parameter("restoration", "path", "The restore's id", {"type": "string"}, required=True, source="/id")
_INTO = Parameter("into", "query", "The name of a new database that gets the backup's data", {"type": "string"})
_TOKEN = Parameter("token", "query", "As the link has it", {"type": "string"})
_RANGE = Parameter("Range", "header", "`bytes=N-` or `bytes=N-M`: that span", {"type": "string"})
_TO = Parameter(
    "to", "query", "Which data to put back, by their id; by default those replaced last", {"type": "string"}
)
_MEDIA = "application/octet-stream"


def routes() -> list[Route]:
    return [
        route("/api/databases/{database}/backups", get=_LIST, post=_CREATE),
        route("/api/databases/{database}/backups/{backup}", get=_SHOW, delete=_DELETE),
        route("/api/databases/{database}/backups/{backup}/verify", post=_VERIFY),
        route("/api/databases/{database}/backups/{backup}/restore", post=_RESTORE),
        route("/api/databases/{database}/backup_restorations/{restoration}", get=_RESTORATION),
        route("/api/databases/{database}/undo_restore", get=_REPLACED, post=_UNDO),
        route("/api/databases/{database}/backups/{backup}/archive", get=_LINK),
        route("/api/backups/{backup}", get=_FIND),
        route("/api/backups/{backup}/archive", get=_FIND_LINK),
        route("/api/backups/{backup}/download", get=_DOWNLOAD),
    ]


def create_backup(call: Call) -> BackupAnswer:
    return encoding.encode(backups.create(call.service, call.principal, call.path["database"]))


def show_backup(call: Call) -> BackupAnswer:
    return encoding.encode(backups.get(call.service, call.principal, call.path["backup"], call.path.get("database")))


def delete_backup(call: Call) -> None:
    backups.delete(call.service, call.principal, call.path["database"], call.path["backup"])


def verify_backup(call: Call) -> BackupAnswer:
    return encoding.encode(backups.verify(call.service, call.principal, call.path["database"], call.path["backup"]))


def restore_backup(call: Call) -> RestorationAnswer | wire.DatabaseAnswer:
    """A restoration as an object alone and wrapped, because clients differ; with `into` the new database."""
    key, name = call.path["database"], call.query("into")
    if name is not None:
        made = backups.restore_into(call.service, call.principal, key, call.path["backup"], name)
        return database_encoding.encode(made)
    operation = backups.restore(call.service, call.principal, key, call.path["backup"])
    return encoding.encode_restoration(backups.get_restoration(call.service, call.principal, key, operation.id))


def show_restoration(call: Call) -> RestorationAnswer:
    key, operation_id = call.path["database"], call.path["restoration"]
    return encoding.encode_restoration(backups.get_restoration(call.service, call.principal, key, operation_id))


def undo_restore(call: Call) -> wire.OperationAnswer:
    key = call.path["database"]
    return operation_encoding.encode(backups.undo_restore(call.service, call.principal, key, call.query("to")))


def make_link(call: Call) -> DownloadAnswer:
    link = backups.make_link(call.service, call.principal, call.path["backup"], call.path.get("database"))
    url = f"{call.service.region.url}/api/backups/{link.backup.id}/download?token={link.token}"
    return DownloadAnswer(url)


def download(call: Call) -> Reply:
    """All of it, or the one span that `Range` asks for; any other `Range` is as none."""
    found = re.fullmatch("bytes=([0-9]{1,18})-([0-9]{0,18})", call.header(b"range") or "")
    start, end = (int(found[1]), int(found[2]) + 1 if found[2] else None) if found else (0, None)
    content = backups.read_link(call.service, call.path["backup"], call.query("token"), start, end)
    if found and content.start >= content.end:
        return Reply(416, b"", [(b"content-range", f"bytes */{content.size}".encode())], call.principal.account.id)
    headers = [
        *headers_for(_MEDIA),
        (b"content-disposition", f'attachment; filename="{content.name}"'.encode()),
        (b"content-length", str(content.end - content.start).encode()),
        (b"accept-ranges", b"bytes"),
    ]
    if found:
        headers.append((b"content-range", f"bytes {content.start}-{content.end - 1}/{content.size}".encode()))
    return Reply(206 if found else 200, _parts(content.pieces), headers, call.principal.account.id)


def _parts(pieces: Iterator[bytes]) -> Parts:
    """While what comes before a span is skipped, others have the thread in between."""
    for piece in pieces:
        yield piece or Pause(0.0)


_NOT_FOUND = {404: wire.Error}
_LIST = Method(
    for_path("database", backups.list_all, encoding.encode_all),
    "List the backups of a database, newest first",
    BackupsAnswer,
    parameters=(DATABASE,),
    errors=_NOT_FOUND,
)
_CREATE = Method(
    create_backup,
    "Back a database up; the backup is proved by restoring it as soon as it is done",
    BackupAnswer,
    status=201,
    writes=True,
    parameters=(DATABASE,),
    errors={404: wire.Error, 409: wire.NotUsable, 422: wire.Errors},
)
_SHOW = Method(show_backup, "Show a backup", BackupAnswer, parameters=(DATABASE, _BACKUP), errors=_NOT_FOUND)
_FIND = Method(show_backup, "Show a backup of any database", BackupAnswer, parameters=(_BACKUP,), errors=_NOT_FOUND)
_DELETE = Method(
    delete_backup,
    "Delete a backup",
    None,
    status=204,
    writes=True,
    parameters=(DATABASE, _BACKUP),
    errors={403: wire.Error, 404: wire.Error, 409: wire.Error},
)
_VERIFY = Method(
    verify_backup,
    "Prove a backup again, by restoring it into a server of its own",
    BackupAnswer,
    status=202,
    writes=True,
    parameters=(DATABASE, _BACKUP),
    errors={404: wire.Error, 409: wire.Error},
)
_RESTORE = Method(
    restore_backup,
    "Put a backup in the place of a database's data, which are kept for a day, or into a new database",
    RestorationAnswer,
    alternative=wire.DatabaseAnswer,
    status=202,
    writes=True,
    parameters=(DATABASE, _BACKUP, _INTO),
    errors={404: wire.Error, 409: wire.Error, 422: wire.Errors},
)
_RESTORATION = Method(
    show_restoration,
    "How far a restore is",
    RestorationAnswer,
    parameters=(DATABASE, _RESTORATION_ID),
    errors=_NOT_FOUND,
)
_REPLACED = Method(
    for_path("database", backups.list_replaced, encoding.encode_replaced),
    "List the data that restores have replaced and that can be put back, newest first",
    ReplacedAnswer,
    parameters=(DATABASE,),
    errors=_NOT_FOUND,
)
_UNDO = Method(
    undo_restore,
    "Put data back that a restore has replaced",
    wire.OperationAnswer,
    status=202,
    writes=True,
    parameters=(DATABASE, _TO),
    errors={404: wire.Error, 409: wire.NotUsable},
)
_LINK = Method(
    make_link,
    "A link to the content of a backup",
    DownloadAnswer,
    scope=Scope.READ_CREDENTIALS,
    parameters=(DATABASE, _BACKUP),
    errors={404: wire.Error, 409: wire.Error},
)
_FIND_LINK = Method(
    make_link,
    "A link to the content of a backup of any database",
    DownloadAnswer,
    scope=Scope.READ_CREDENTIALS,
    parameters=(_BACKUP,),
    errors={404: wire.Error, 409: wire.Error},
)
_DOWNLOAD = Method(
    download,
    "The content that a link is for, as the technology's own tools read it",
    None,
    public=True,
    owner=lambda call: backups.owner_of_link(call.service, call.path["backup"], call.query("token")),
    blocking=True,
    in_parts=True,
    parameters=(_BACKUP, _TOKEN, _RANGE),
    errors={404: wire.Error},
    media=_MEDIA,
)
