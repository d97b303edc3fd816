"""`/v1/databases/{database}/settings`: what its owner may choose of a database's server."""

from __future__ import annotations

from dbyard import wire
from dbyard.service.databases import databases, settings
from dbyard.web.api.encoding import settings as encoding
from dbyard.web.handlers import authorize, for_path
from dbyard.web.parameters import DATABASE
from dbyard.web.replies import Waiting
from dbyard.web.routes import Call, Method, Route, route
from dbyard.wire.settings import ChangeSettings, SettingsAnswer

_APPLY_SECONDS = 3.0


def routes() -> list[Route]:
    return [route("/v1/databases/{database}/settings", get=_LIST, patch=_CHANGE)]


def change(call: Call) -> Waiting[SettingsAnswer]:
    """Answered when the server has them, or a little later: the change does not depend on that."""
    changes = call.fields().get("settings")
    chosen = settings.change(call.service, call.principal, call.path["database"], changes)

    def poll(at_last: bool) -> SettingsAnswer | None:
        ended = settings.look_after(call.service, chosen) or (chosen if at_last else None)
        return encoding.encode(ended) if ended else None

    return Waiting(poll, _APPLY_SECONDS)


_LIST = Method(
    for_path("database", settings.list_all, encoding.encode),
    "List the settings of a database's server that its owner may choose",
    SettingsAnswer,
    parameters=(DATABASE,),
    errors={404: wire.Error},
)
_CHANGE = Method(
    change,
    "Choose settings of a database's server; those that are not named stay",
    SettingsAnswer,
    writes=True,
    authorize=authorize("database", databases.get),
    body=ChangeSettings,
    parameters=(DATABASE,),
    errors={404: wire.Error, 409: wire.NotUsable},
)
