"""`/v1/databases/{database}/imports`: dumps that were made elsewhere, uploaded and loaded."""

from __future__ import annotations

from dbyard import wire
from dbyard.service.databases import databases, imports
from dbyard.web.api.encoding import imports as encoding
from dbyard.web.handlers import authorize
from dbyard.web.parameters import DATABASE
from dbyard.web.replies import Waiting
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.wire.imports import ImportAnswer, ImportsAnswer

_ANSWER_SECONDS = 7.0
_IMPORT = Parameter(
    "import", "path", "The import's id", {"type": "string"}, required=True, source="/database_import/id"
)
_FLAG = {"enum": ["true", "false"]}
_REPLACE = Parameter(
    "replace", "query", "Whether the dump takes the place of data that are there; they are kept for a day", _FLAG
)
_CHECK = Parameter("check", "query", "Whether only a report on the dump is wanted", _FLAG)


def routes() -> list[Route]:
    return [
        route("/v1/databases/{database}/imports", get=_LIST, post=_CREATE),
        route("/v1/databases/{database}/imports/{import}", get=_SHOW),
    ]


def list_imports(call: Call) -> Waiting[ImportsAnswer]:
    looking = imports.begin_look(call.service, call.principal, call.path["database"])

    def poll(at_last: bool) -> ImportsAnswer | None:
        found = imports.end_look(call.service, looking, at_last=at_last)
        return encoding.encode_place(found) if found else None

    return Waiting(poll, _ANSWER_SECONDS)


def create_import(call: Call) -> ImportAnswer:
    length = call.header(b"content-length") or ""
    made = imports.create(
        call.service,
        call.principal,
        call.path["database"],
        call.pieces,
        size=int(length) if length.isdecimal() else None,
        replace=call.flag("replace", default=False),
        check=call.flag("check", default=False),
    )
    return encoding.encode(made)


def show_import(call: Call) -> ImportAnswer:
    found = imports.get(call.service, call.principal, call.path["database"], call.path["import"])
    return encoding.encode(found)


_LIST = Method(
    list_imports,
    "What was imported into a database, newest first, and what is in it now",
    ImportsAnswer,
    blocking=True,
    parameters=(DATABASE,),
    errors={404: wire.Error, 422: wire.Errors},
)
_CREATE = Method(
    create_import,
    "Import a dump that was made elsewhere, which is the body; the data that it replaces are kept for a day",
    ImportAnswer,
    status=202,
    writes=True,
    takes_upload=True,
    authorize=authorize("database", databases.get),
    parameters=(DATABASE, _REPLACE, _CHECK),
    errors={404: wire.Error, 409: wire.Error, 413: wire.Error, 415: wire.Error, 422: wire.Errors},
)
_SHOW = Method(
    show_import,
    "How far an import is, and its report",
    ImportAnswer,
    parameters=(DATABASE, _IMPORT),
    errors={404: wire.Error},
)
