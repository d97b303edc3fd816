"""`/v1/databases`: created, listed, found, connected to, deleted."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dbyard import wire
from dbyard.errors import BadRequest
from dbyard.service.databases import connection, create, databases, operations
from dbyard.service.databases.create import IdempotencyKey
from dbyard.service.databases.create_request import CreateRequest
from dbyard.web.api.encoding import databases as encoding
from dbyard.web.api.encoding import operations as operation_encoding
from dbyard.web.handlers import cached, for_path, for_principal
from dbyard.web.parameters import DATABASE, OPERATION
from dbyard.web.requests import unwrap
from dbyard.web.routes import Call, Method, Parameter, Route, route

KEY_LENGTH = 255
KEY_PATTERN = "^[!-~]+$"

_CONFIRM = Parameter(
    "confirm",
    "query",
    "The database's name once more",
    {"type": "string", "minLength": 1},
    required=True,
    source="/database/name",
)
_IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "header",
    "A second request with the same key and body within 24 hours gets the first one's answer",
    {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH, "pattern": KEY_PATTERN},
)
_NOT_FOUND = {404: wire.Error}


def routes() -> list[Route]:
    return [
        route("/v1/databases", get=_LIST, post=_CREATE),
        route("/v1/databases/{database}", get=_GET, delete=_DELETE),
        route("/v1/databases/{database}/connection", get=_CONNECTION),
        route("/v1/databases/{database}/operations", get=_OPERATIONS),
        route("/v1/databases/{database}/repair", post=_REPAIR),
        route("/v1/databases/{database}/operations/{operation}/cancel", post=_CANCEL),
        route("/v1/databases/{database}/operations/{operation}/retry", post=_RETRY),
    ]


def create_database(call: Call) -> wire.DatabaseAnswer:
    key = _idempotency_key(call)
    request = read_create_request(unwrap(call.fields(), "database"))
    return encoding.encode(create.create(call.service, call.principal, request, key))


def delete_database(call: Call) -> None:
    databases.delete(call.service, call.principal, call.path["database"], call.query("confirm"))


def cancel_operation(call: Call) -> wire.OperationAnswer:
    key, operation_id = call.path["database"], call.path["operation"]
    return operation_encoding.encode(operations.cancel(call.service, call.principal, key, operation_id))


def retry_operation(call: Call) -> wire.OperationAnswer:
    key, operation_id = call.path["database"], call.path["operation"]
    return operation_encoding.encode(operations.retry(call.service, call.principal, key, operation_id))


def repair_database(call: Call) -> wire.OperationAnswer:
    return operation_encoding.encode(operations.repair(call.service, call.principal, call.path["database"]))


def read_create_request(fields: Mapping[str, object]) -> CreateRequest:
    """The fields of a create body (wrapped or flat) under any of the keys that clients use."""
    return CreateRequest(
        name=_first(fields, "name", "database_name"),
        technology=_first(fields, "technology", "addon_provider_id"),
        plan=_first(fields, "plan", "plan_id"),
        project_id=_first(fields, "project_id"),
        version=_first(fields, "version"),
    )


def _first(fields: Mapping[str, object], *keys: str) -> object:
    return next((fields[key] for key in keys if fields.get(key) is not None), None)


def _idempotency_key(call: Call) -> IdempotencyKey | None:
    key = call.header(b"idempotency-key")
    if key is None:
        return None
    if not re.fullmatch(KEY_PATTERN, key) or len(key) > KEY_LENGTH:
        raise BadRequest(f"Idempotency-Key should have between 1 and {KEY_LENGTH} printable ASCII characters, no space")
    return IdempotencyKey(key, call.body)


_LIST = Method(
    cached("databases", for_principal(databases.list_all, encoding.encode_all)),
    "List your databases, newest last",
    wire.DatabasesAnswer,
)
_CREATE = Method(
    create_database,
    "Create a database",
    wire.DatabaseAnswer,
    status=201,
    writes=True,
    body=wire.CreateDatabase,
    parameters=(_IDEMPOTENCY_KEY,),
    errors=_NOT_FOUND,
)
_GET = Method(
    cached("database", for_path("database", databases.get, encoding.encode)),
    "Get a database by its id or name",
    wire.DatabaseAnswer,
    parameters=(DATABASE,),
    errors=_NOT_FOUND,
)
_DELETE = Method(
    delete_database,
    "Delete a database and all its data",
    None,
    status=204,
    writes=True,
    parameters=(DATABASE, _CONFIRM),
    errors={403: wire.Error, 404: wire.Error, 409: wire.Error, 422: wire.Errors},
)
_CONNECTION = Method(
    for_path("database", connection.get, encoding.encode_connection),
    "How to connect to a database; 409 until that works",
    wire.ConnectionAnswer,
    parameters=(DATABASE,),
    errors={404: wire.Error, 409: wire.NotUsable},
)
_OPERATIONS = Method(
    for_path("database", operations.list_all, operation_encoding.encode_all),
    "What happened to a database, newest operation first",
    wire.OperationsAnswer,
    parameters=(DATABASE,),
    errors=_NOT_FOUND,
)
_REPAIR = Method(
    repair_database,
    "Bring a database's server to what is wanted of it, its tenant's way in included",
    wire.OperationAnswer,
    status=202,
    writes=True,
    parameters=(DATABASE,),
    errors={404: wire.Error, 409: wire.NotUsable},
)
_CANCEL = Method(
    cancel_operation,
    "End an operation that can be cancelled; it ends with its step",
    wire.OperationAnswer,
    status=202,
    writes=True,
    parameters=(DATABASE, OPERATION),
    errors={404: wire.Error, 409: wire.Error},
)
_RETRY = Method(
    retry_operation,
    "Do again what a failed operation was asked for, as a new operation",
    wire.OperationAnswer,
    status=201,
    writes=True,
    parameters=(DATABASE, OPERATION),
    errors={404: wire.Error, 409: wire.NotUsable},
)
