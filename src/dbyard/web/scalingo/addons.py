"""`/v1/apps/{app}/addons` and the app's variables: the plan of a database, and where clients look for its URL."""

from __future__ import annotations

from typing import NoReturn

from dbyard import wire
from dbyard.errors import Conflict, NotFound
from dbyard.model import Database, Scope
from dbyard.service import Service
from dbyard.service.accounts import authentication
from dbyard.service.catalogue import plan_of, technology_of
from dbyard.service.databases import connection, databases, plan_changes, status
from dbyard.service.databases.status import DatabaseOverview
from dbyard.web.replies import Waiting
from dbyard.web.requests import unwrap
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.web.scalingo.apps import APP, NOT_FOUND, not_found
from dbyard.web.scalingo.encoding import addons as encoding
from dbyard.web.scalingo.encoding.apps import no_drains
from dbyard.web.scalingo.identifiers import addon_id
from dbyard.wire import addons as shapes
from dbyard.wire.apps import DrainsAnswer, ResourceError

_PAUSE_SECONDS = 5.0
_ADDON = Parameter(
    "addon", "path", "`ad-` and the database's id; its technology names it too", {"type": "string"}, required=True
)
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
    return shapes.AddonsAnswer([_addon(call, call.path["app"])])


def get(call: Call) -> shapes.AddonAnswer:
    return shapes.AddonAnswer(_addon(call, find(call).id))


def make_token(call: Call) -> shapes.AddonTokenAnswer:
    """A token for the database that is good for an hour."""
    database = find(call)
    addon = _addon(call, database.id)
    token = authentication.sign_database_token(call.service, call.principal, database.id)
    return encoding.encode_with_token(addon, token)


def change_plan(call: Call) -> Waiting[shapes.ChangedAddonAnswer]:
    """Answered as soon as a heal of the database pauses."""
    database, fields = find(call), unwrap(call.fields(), "addon")
    plan = fields.get("plan_id", fields.get("plan"))

    def poll(at_last: bool) -> shapes.ChangedAddonAnswer | None:
        if not plan_changes.change_plan(call.service, call.principal, database.id, plan, at_last=at_last):
            return None
        addon = _addon(call, database.id)
        return encoding.encode_changed(addon, database.name, technology_of(call.service, database))

    return Waiting(poll, _PAUSE_SECONDS)


def refuse_another(call: Call) -> NoReturn:
    name = databases.get(call.service, call.principal, call.path["app"]).name
    raise Conflict(f"The app {name} is a database and has no room for another: POST /v1/databases makes one")


def list_log_drains(call: Call) -> DrainsAnswer:
    return no_drains(find(call))


def list_variables(call: Call) -> shapes.VariablesAnswer:
    """None before the URL is certain; from then on always, also while the server is being healed."""
    aliases = call.flag("aliases", default=True)
    database = databases.get(call.service, call.principal, call.path["app"])
    url = connection.get_url(call.service, call.principal, database.id)
    return encoding.encode_variables(database, technology_of(call.service, database), url, aliases=aliases)


def find(call: Call) -> Database:
    """The database that the addon of the app is."""
    database = databases.get(call.service, call.principal, call.path["app"])
    technology = technology_of(call.service, database)
    if call.path["addon"] not in (addon_id(database.id), technology.slug, technology.type_name):
        raise NotFound("Addon not found", resource="addon")
    return database


def _addon(call: Call, key: str) -> shapes.Addon:
    return describe(call.service, status.get_overview(call.service, call.principal, key))


def describe(service: Service, overview: DatabaseOverview) -> shapes.Addon:
    technology = technology_of(service, overview.database)
    server_type = service.catalogue.get(technology.type_name)
    return encoding.encode_addon(overview, technology, server_type, plan_of(service, overview.database))


_LIST = Method(
    list_all,
    "List the addons of an app: its database",
    shapes.AddonsAnswer,
    parameters=(APP,),
    errors=NOT_FOUND,
    not_found=not_found,
)
_GET = Method(
    get,
    "Get the database of an app as an addon",
    shapes.AddonAnswer,
    parameters=(APP, _ADDON),
    errors=NOT_FOUND,
    not_found=not_found,
)
_TOKEN = Method(
    make_token,
    "Make a token for the Database API of one database, good for an hour",
    shapes.AddonTokenAnswer,
    scope=Scope.READ,  # the token made may do no more than the one that asks
    parameters=(APP, _ADDON),
    errors=NOT_FOUND,
    not_found=not_found,
)
_CHANGE = Method(
    change_plan,
    "Give a database another plan of its technology",
    shapes.ChangedAddonAnswer,
    writes=True,
    body=shapes.ChangeAddon,
    authorize=find,
    parameters=(APP, _ADDON),
    errors={404: ResourceError, 409: wire.NotUsable, 422: wire.Errors},
    not_found=not_found,
)
_REFUSE = Method(
    refuse_another,
    "Refused: an app is one database, and POST /v1/databases makes another",
    None,
    status=409,
    parameters=(APP,),
    errors={404: ResourceError, 409: wire.Error},
    not_found=not_found,
)
_DRAINS = Method(
    list_log_drains,
    "List the log drains of a database, of which there are none",
    DrainsAnswer,
    parameters=(APP, _ADDON),
    errors=NOT_FOUND,
    not_found=not_found,
)
_VARIABLES = Method(
    list_variables,
    "The variables that hold a database's URL, as soon as that is certain",
    shapes.VariablesAnswer,
    scope=Scope.READ_CREDENTIALS,
    parameters=(APP, _ALIASES),
    errors={404: ResourceError, 422: wire.Errors},
    not_found=not_found,
)
