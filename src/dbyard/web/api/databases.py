"""`/v1/databases`: created, listed, found, connected to, deleted."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dbyard import wire
from dbyard.errors import BadRequest
from dbyard.model import Scope
from dbyard.service.databases import connection, create, databases, operations
from dbyard.service.databases.create import IdempotencyKey
from dbyard.service.databases.create_request import CreateRequest
from dbyard.web.api.encoding import databases as encoding
from dbyard.web.api.encoding import operations as operation_encoding
from dbyard.web.handlers import cached, for_path, for_principal
from dbyard.web.parameters import DATABASE, OPERATION
from dbyard.web.requests import unwrap
from dbyard.web.routes import Call, Handler, Method, Parameter, Route, route
from dbyard.wire.dashboard import DashboardAnswer, DatabaseShown

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


def routes(show: Handler, list_dashboard: Handler) -> list[Route]:
    """The handlers answer a database, or all of them, with what the facade of Scalingo's API makes of each."""
    return [
        route("/v1/databases", get=_list(list_dashboard), post=_CREATE),
        route("/v1/databases/{database}", get=_show(show), delete=_DELETE),
        route("/v1/databases/{database}/connection", get=_CONNECTION),
        route("/v1/databases/{database}/operations", get=_OPERATIONS),
        route("/v1/databases/{database}/repair", post=_REPAIR),
        route("/v1/databases/{database}/upgrade", post=_UPGRADE),
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


def upgrade_database(call: Call) -> wire.OperationAnswer:
    return operation_encoding.encode(operations.upgrade(call.service, call.principal, call.path["database"]))


def read_create_request(fields: Mapping[str, object]) -> CreateRequest:
    """The fields of a create body (wrapped or flat) under any of the keys that clients use."""
    return CreateRequest(
        name=_first(fields, "name", "database_name"),
        technology=_first(fields, "technology", "addon_provider_id"),
        plan=_first(fields, "plan", "plan_id"),
        project_id=_first(fields, "project_id"),
        version=_first(fields, "version"),
        settings=_first(fields, "settings"),
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


_DASHBOARD = Parameter(
    "dashboard",
    "query",
    "Whether each has its app, its addon, its status and its address beside it",
    {"enum": ["true", "false"]},
)


def _is_dashboard(call: Call) -> bool:
    return call.flag("dashboard", default=False)


def _list(list_dashboard: Handler) -> Method:
    list_all = cached("databases", for_principal(databases.list_all, encoding.encode_all))
    return Method(
        lambda call: list_dashboard(call) if _is_dashboard(call) else list_all(call),
        "List your databases, newest last",
        wire.DatabasesAnswer,
        alternative=DashboardAnswer,
        blocking=_is_dashboard,
        parameters=(_DASHBOARD,),
        errors={422: wire.Errors},
    )


def _show(show: Handler) -> Method:
    return Method(
        cached("database", show, timely=True),
        "Get a database by its id or name, with its app and its addon",
        DatabaseShown,
        parameters=(DATABASE,),
        errors=_NOT_FOUND,
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
    scope=Scope.READ_CREDENTIALS,
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
_UPGRADE = Method(
    upgrade_database,
    "Restart a database's server by the newest build of its version that is installed",
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
