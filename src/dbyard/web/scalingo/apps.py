"""`/v1/apps`: each database as the app that the clients of Scalingo's API look for."""

from __future__ import annotations

from dbyard import wire
from dbyard.errors import Conflict, Invalid, NotFound, RequestError
from dbyard.service.databases import databases, operations, status
from dbyard.service.databases.databases import RenameRequest
from dbyard.web.handlers import authorize, for_path
from dbyard.web.parameters import OPERATION
from dbyard.web.requests import unwrap
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.web.scalingo.encoding import apps as encoding
from dbyard.web.scalingo.identifiers import to_database_key
from dbyard.web.scalingo.unsupported import ONLY_DATABASES
from dbyard.wire import apps as shapes

APP = Parameter(
    "app", "path", "The app's id or name", {"type": "string"}, required=True, source="/app/id", resolve=to_database_key
)
NOT_FOUND = {404: shapes.ResourceError}
_CURRENT_NAME = Parameter(
    "current_name",
    "query",
    "The app's name once more",
    {"type": "string", "minLength": 1},
    required=True,
    source="/app/name",
)


def routes() -> list[Route]:
    return [
        route("/v1/apps", get=_LIST),
        route("/v1/apps/{app}", get=_GET, put=_MOVE, patch=_MOVE, delete=_DELETE),
        route("/v1/apps/{app}/rename", post=_RENAME),
        route("/v1/apps/{app}/operations/{operation}", get=_OPERATION_OF),
        route("/v1/apps/{app}/log_drains", get=_DRAINS),
    ]


def not_found(error: NotFound) -> RequestError:
    """What clients read of an app that is not there, or of something else that belongs to one."""
    resource = "app" if error.resource == "database" else error.resource
    return NotFound("not found", extra={"resource": resource})


def list_all(call: Call) -> shapes.AppsAnswer:
    return encoding.encode_all(status.list_overviews(call.service, call.principal), call.service.region.name)


def get(call: Call) -> shapes.AppAnswer:
    return _show(call, call.path["app"])


def rename(call: Call) -> shapes.AppAnswer:
    fields = call.fields()
    request = RenameRequest(fields.get("current_name"), fields.get("new_name"))
    try:
        renamed = databases.rename(call.service, call.principal, call.path["app"], request)
    except Invalid as error:
        raise _of_an_app(error) from None
    return _show(call, renamed.id)


def move(call: Call) -> shapes.AppAnswer:
    fields = unwrap(call.fields(), "app")
    if fields and "project_id" not in fields:
        raise Conflict(f"{ONLY_DATABASES}: nothing of it can be changed but its project (`project_id`)")
    project_id = fields.get("project_id")
    return _show(call, databases.move(call.service, call.principal, call.path["app"], project_id).id)


def delete(call: Call) -> None:
    database, name = databases.get_as_owner(call.service, call.principal, call.path["app"]), call.query("current_name")
    if name != database.name:
        raise Invalid({"current_name": [f"should be the name of the app: {database.name}"]})
    databases.delete(call.service, call.principal, database.id, name)


def get_operation(call: Call) -> shapes.AppOperationAnswer:
    found = operations.get(call.service, call.principal, call.path["operation"], call.path["app"])
    return encoding.encode_operation(found)


def _show(call: Call, key: str) -> shapes.AppAnswer:
    overview = status.get_overview(call.service, call.principal, key)
    return encoding.encode(overview, call.service.region.name)


def _of_an_app(error: Invalid) -> Invalid:
    words = ("the name of the database:", "the name of the app:")
    return Invalid({field: [each.replace(*words) for each in messages] for field, messages in error.fields.items()})


_LIST = Method(list_all, "List your databases as apps, newest last", shapes.AppsAnswer, blocking=True)
_GET = Method(
    get,
    "Get a database as an app, by its id or name",
    shapes.AppAnswer,
    parameters=(APP,),
    errors=NOT_FOUND,
    not_found=not_found,
)
_RENAME = Method(
    rename,
    "Give a database another name; its ids and its URL stay",
    shapes.AppAnswer,
    writes=True,
    body=shapes.RenameApp,
    authorize=authorize("app", databases.get),
    parameters=(APP,),
    errors={403: wire.Error, **NOT_FOUND},
    not_found=not_found,
)
_MOVE = Method(
    move,
    "Move a database to another of your projects",
    shapes.AppAnswer,
    writes=True,
    body=shapes.UpdateApp,
    authorize=authorize("app", databases.get),
    parameters=(APP,),
    errors={403: wire.Error, 409: wire.Error, **NOT_FOUND},
    not_found=not_found,
)
_DELETE = Method(
    delete,
    "Delete a database and all its data",
    None,
    status=204,
    writes=True,
    parameters=(APP, _CURRENT_NAME),
    errors={403: wire.Error, 404: shapes.ResourceError, 422: wire.Errors},
    not_found=not_found,
)
_OPERATION_OF = Method(
    get_operation,
    "How far an operation of a database is",
    shapes.AppOperationAnswer,
    parameters=(APP, OPERATION),
    errors=NOT_FOUND,
    not_found=not_found,
)
_DRAINS = Method(
    for_path("app", databases.get, encoding.no_drains),
    "List the log drains of a database, of which there are none",
    shapes.DrainsAnswer,
    parameters=(APP,),
    errors=NOT_FOUND,
    not_found=not_found,
)
