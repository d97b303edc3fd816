"""`/v1/databases`: Scalingo's three calls, and ours beside them."""

from __future__ import annotations

import re

from dbyard import wire
from dbyard.errors import BadRequest, Invalid
from dbyard.service import access, databases
from dbyard.service.databases import Repeatable
from dbyard.web.bodies import unwrap
from dbyard.web.routes import Call, Parameter, Route, Verb, route
from dbyard.wire.apps import EndpointsAnswer, NetPeeringsAnswer

KEY_LENGTH = 255
KEY_PATTERN = "^[!-~]+$"
LINES = 100
MOST_LINES = 10_000

_DATABASE = Parameter(
    "database", "path", "The database's id or name", {"type": "string"}, required=True, source="/database/id"
)
_CONFIRM = Parameter(
    "confirm",
    "query",
    "The database's name once more",
    {"type": "string", "minLength": 1},
    required=True,
    source="/database/name",
)
_NOT_FOUND = {404: wire.Error}


def routes() -> list[Route]:
    return [
        route("/v1/databases", get=_LIST, post=_CREATE),
        route("/v1/databases/{database}", get=_GET, delete=_DELETE),
        route("/v1/databases/{database}/connection", get=_CONNECTION),
        route("/v1/databases/{database}/operations", get=_OPERATIONS),
        route("/v1/databases/{database}/logs", get=_LOGS),
        route("/v1/databases/{database}/endpoints", get=_ENDPOINTS),
        route("/v1/databases/{database}/net_peerings", get=_NET_PEERINGS),
    ]


def create(call: Call) -> bytes:
    repeatable = _repeatable(call)
    draft = wire.read_draft(unwrap(call.fields(), "database"))
    return databases.create(call.service, call.principal, draft, repeatable)


def list_all(call: Call) -> bytes:
    return databases.list_all(call.service, call.principal)


def get(call: Call) -> bytes:
    return databases.get(call.service, call.principal, call.path["database"])


def delete(call: Call) -> None:
    databases.delete(call.service, call.principal, call.path["database"], call.query("confirm"))


def connection(call: Call) -> wire.ConnectionAnswer:
    return access.connection(call.service, call.principal, call.path["database"])


def list_operations(call: Call) -> wire.OperationsAnswer:
    return access.list_operations(call.service, call.principal, call.path["database"])


def logs(call: Call) -> wire.LogsAnswer:
    return access.logs(call.service, call.principal, call.path["database"], read_lines(call.query("lines"), "lines"))


def list_endpoints(call: Call) -> EndpointsAnswer:
    return access.list_endpoints(call.service, call.principal, call.path["database"])


def list_net_peerings(call: Call) -> NetPeeringsAnswer:
    return access.list_net_peerings(call.service, call.principal, call.path["database"])


def _repeatable(call: Call) -> Repeatable | None:
    key = call.header(b"idempotency-key")
    if key is None:
        return None
    if not re.fullmatch(KEY_PATTERN, key) or len(key) > KEY_LENGTH:
        raise BadRequest(f"Idempotency-Key should have between 1 and {KEY_LENGTH} printable ASCII characters, no space")
    return Repeatable(key, call.body)


def read_lines(text: str | None, parameter: str) -> int:
    """How many lines are asked for by that parameter; raises Invalid."""
    if text is None:
        return LINES
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= MOST_LINES):
        raise Invalid({parameter: [f"should be a number between 1 and {MOST_LINES}"]})
    return int(text)


_LIST = Verb(list_all, "List your databases, newest last", wire.DatabasesAnswer)
_CREATE = Verb(
    create,
    "Create a database",
    wire.DatabaseAnswer,
    status=201,
    writes=True,
    body=wire.CreateDatabase,
    parameters=(
        Parameter(
            "Idempotency-Key",
            "header",
            "A second request with the same key and body within 24 hours gets the first one's answer",
            {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH, "pattern": KEY_PATTERN},
        ),
    ),
    refusals={404: wire.Error},
)
_GET = Verb(get, "Get a database by its id or name", wire.DatabaseAnswer, parameters=(_DATABASE,), refusals=_NOT_FOUND)
_DELETE = Verb(
    delete,
    "Delete a database and all its data",
    None,
    status=204,
    writes=True,
    parameters=(_DATABASE, _CONFIRM),
    refusals={403: wire.Error, 404: wire.Error, 409: wire.Error, 422: wire.Errors},
)
_CONNECTION = Verb(
    connection,
    "How to connect to a database; 409 until that works",
    wire.ConnectionAnswer,
    parameters=(_DATABASE,),
    refusals={404: wire.Error, 409: wire.NotUsable},
)
_OPERATIONS = Verb(
    list_operations,
    "What happened to a database, newest operation first",
    wire.OperationsAnswer,
    parameters=(_DATABASE,),
    refusals=_NOT_FOUND,
)
_ENDPOINTS = Verb(
    list_endpoints,
    "Where a database is reached",
    EndpointsAnswer,
    parameters=(_DATABASE,),
    refusals=_NOT_FOUND,
)
_NET_PEERINGS = Verb(
    list_net_peerings,
    "List the net peerings of a database, of which there are none",
    NetPeeringsAnswer,
    parameters=(_DATABASE,),
    refusals=_NOT_FOUND,
)
_LOGS = Verb(
    logs,
    "The last lines of a database server's own log",
    wire.LogsAnswer,
    waits=True,
    parameters=(
        _DATABASE,
        Parameter(
            "lines",
            "query",
            f"How many lines, {LINES} by default",
            {"type": "integer", "minimum": 1, "maximum": MOST_LINES},
        ),
    ),
    refusals={404: wire.Error, 422: wire.Errors},
)
