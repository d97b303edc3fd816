"""`/v1/apps/{app}/addons` and the app's variables: the plan of a database, and where clients look for its URL."""

from __future__ import annotations

from dbyard import wire
from dbyard.model import Scope
from dbyard.service import addons, apps
from dbyard.web.apps import APP, NOT_FOUND
from dbyard.web.bodies import unwrap
from dbyard.web.routes import Call, Parameter, Route, Verb, route
from dbyard.wire import apps as shapes

_ADDON = Parameter("addon", "path", "`ad-` and the database's id", {"type": "string"}, required=True)
_ALIASES = Parameter(
    "aliases",
    "query",
    "Whether an alias says which variable it stands for (true, by default) or has its value",
    {"type": "string", "enum": ["true", "false"]},
)


def routes() -> list[Route]:
    return [
        route("/v1/apps/{app}/addons", get=_LIST, post=_REFUSE),
        route("/v1/apps/{app}/addons/{addon}", get=_GET, patch=_CHANGE),
        route("/v1/apps/{app}/addons/{addon}/token", post=_TOKEN),
        route("/v1/apps/{app}/addons/{addon}/log_drains", get=_DRAINS),
        route("/v1/apps/{app}/variables", get=_VARIABLES),
    ]


def list_all(call: Call) -> shapes.AddonsAnswer:
    return addons.list_all(call.service, call.principal, call.path["app"])


def get(call: Call) -> shapes.AddonAnswer:
    return addons.get(call.service, call.principal, call.path["app"], call.path["addon"])


def make_token(call: Call) -> shapes.AddonTokenAnswer:
    return addons.make_token(call.service, call.principal, call.path["app"], call.path["addon"])


def change_plan(call: Call) -> shapes.ChangedAddonAnswer:
    app, addon = call.path["app"], call.path["addon"]
    addons.get(call.service, call.principal, app, addon)  # before anything is said of the body
    fields = unwrap(call.fields(), "addon")
    plan = fields.get("plan_id", fields.get("plan"))
    return addons.change_plan(call.service, call.principal, app, addon, plan)


def refuse_another(call: Call) -> None:
    addons.refuse_another(call.service, call.principal, call.path["app"])


def list_log_drains(call: Call) -> shapes.DrainsAnswer:
    addons.get(call.service, call.principal, call.path["app"], call.path["addon"])
    return apps.list_log_drains(call.service, call.principal, call.path["app"])


def list_variables(call: Call) -> shapes.VariablesAnswer:
    return addons.list_variables(call.service, call.principal, call.path["app"], call.flag("aliases", default=True))


_LIST = Verb(
    list_all, "List the addons of an app: its database", shapes.AddonsAnswer, parameters=(APP,), refusals=NOT_FOUND
)
_GET = Verb(
    get, "Get the database of an app as an addon", shapes.AddonAnswer, parameters=(APP, _ADDON), refusals=NOT_FOUND
)
_TOKEN = Verb(
    make_token,
    "Make a token for the Database API of one database, good for an hour",
    shapes.AddonTokenAnswer,
    scope=Scope.READ,  # the token made may do no more than the one that asks
    parameters=(APP, _ADDON),
    refusals=NOT_FOUND,
)
_CHANGE = Verb(
    change_plan,
    "Give a database another plan of its technology",
    shapes.ChangedAddonAnswer,
    writes=True,
    body=shapes.ChangeAddon,
    parameters=(APP, _ADDON),
    refusals={404: shapes.ResourceError, 409: wire.NotUsable, 422: wire.Errors},
)
_REFUSE = Verb(
    refuse_another,
    "Refused: an app is one database, and POST /v1/databases makes another",
    None,
    status=409,
    parameters=(APP,),
    refusals={404: shapes.ResourceError, 409: wire.Error},
)
_DRAINS = Verb(
    list_log_drains,
    "List the log drains of a database, of which there are none",
    shapes.DrainsAnswer,
    parameters=(APP, _ADDON),
    refusals=NOT_FOUND,
)
_VARIABLES = Verb(
    list_variables,
    "The variables that hold a database's URL, as soon as that is certain",
    shapes.VariablesAnswer,
    parameters=(APP, _ALIASES),
    refusals={404: shapes.ResourceError, 422: wire.Errors},
)
