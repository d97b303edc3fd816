"""`/v1/apps`: each database as the app that the clients of Scalingo's API look for."""

from __future__ import annotations

from dbyard import wire
from dbyard.service import apps
from dbyard.web.bodies import unwrap
from dbyard.web.routes import Call, Parameter, Route, Verb, route
from dbyard.wire import apps as shapes

APP = Parameter("app", "path", "The app's id or name", {"type": "string"}, required=True, source="/app/id")
NOT_FOUND = {404: shapes.ResourceError}
_CURRENT_NAME = Parameter(
    "current_name",
    "query",
    "The app's name once more",
    {"type": "string", "minLength": 1},
    required=True,
    source="/app/name",
)
_OPERATION = Parameter("operation", "path", "The operation's id", {"type": "string"}, required=True)


def routes() -> list[Route]:
    return [
        route("/v1/apps", get=_LIST),
        route("/v1/apps/{app}", get=_GET, put=_MOVE, patch=_MOVE, delete=_DELETE),
        route("/v1/apps/{app}/rename", post=_RENAME),
        route("/v1/apps/{app}/operations/{operation}", get=_OPERATION_OF),
        route("/v1/apps/{app}/log_drains", get=_DRAINS),
    ]


def list_all(call: Call) -> shapes.AppsAnswer:
    return apps.list_all(call.service, call.principal)


def get(call: Call) -> shapes.AppAnswer:
    return apps.get(call.service, call.principal, call.path["app"])


def rename(call: Call) -> shapes.AppAnswer:
    app = apps.find(call.service, call.principal, call.path["app"])  # before anything is said of the body
    fields = call.fields()
    return apps.rename(call.service, call.principal, app.id, fields.get("current_name"), fields.get("new_name"))


def move(call: Call) -> shapes.AppAnswer:
    app = apps.find(call.service, call.principal, call.path["app"])
    return apps.move(call.service, call.principal, app.id, unwrap(call.fields(), "app").get("project_id"))


def delete(call: Call) -> None:
    apps.delete(call.service, call.principal, call.path["app"], call.query("current_name"))


def get_operation(call: Call) -> shapes.AppOperationAnswer:
    return apps.get_operation(call.service, call.principal, call.path["app"], call.path["operation"])


def list_log_drains(call: Call) -> shapes.DrainsAnswer:
    return apps.list_log_drains(call.service, call.principal, call.path["app"])


_LIST = Verb(list_all, "List your databases as apps, newest last", shapes.AppsAnswer, waits=True)
_GET = Verb(get, "Get a database as an app, by its id or name", shapes.AppAnswer, parameters=(APP,), refusals=NOT_FOUND)
_RENAME = Verb(
    rename,
    "Give a database another name; its ids and its URL stay",
    shapes.AppAnswer,
    writes=True,
    body=shapes.RenameApp,
    parameters=(APP,),
    refusals={403: wire.Error, **NOT_FOUND},
)
_MOVE = Verb(
    move,
    "Move a database to another of your projects",
    shapes.AppAnswer,
    writes=True,
    body=shapes.UpdateApp,
    parameters=(APP,),
    refusals={403: wire.Error, **NOT_FOUND},
)
_DELETE = Verb(
    delete,
    "Delete a database and all its data",
    None,
    status=204,
    writes=True,
    parameters=(APP, _CURRENT_NAME),
    refusals={403: wire.Error, 404: shapes.ResourceError, 422: wire.Errors},
)
_OPERATION_OF = Verb(
    get_operation,
    "How far an operation of a database is",
    shapes.AppOperationAnswer,
    parameters=(APP, _OPERATION),
    refusals=NOT_FOUND,
)
_DRAINS = Verb(
    list_log_drains,
    "List the log drains of a database, of which there are none",
    shapes.DrainsAnswer,
    parameters=(APP,),
    refusals=NOT_FOUND,
)
