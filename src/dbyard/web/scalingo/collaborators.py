"""`/v1/apps/{app}/collaborators`: who may use a database beside its owner."""

from __future__ import annotations

from dbyard import wire
from dbyard.service.accounts import collaborators
from dbyard.service.databases import databases
from dbyard.web.api.collaborators import COLLABORATOR, read_invitation, read_limited
from dbyard.web.api.encoding import collaborators as encoding
from dbyard.web.handlers import authorize
from dbyard.web.routes import Call, Method, Route, route
from dbyard.web.scalingo.apps import APP, NOT_FOUND, not_found
from dbyard.wire import collaborators as shapes


def routes() -> list[Route]:
    return [
        route("/v1/apps/{app}/collaborators", get=_LIST, post=_INVITE),
        route("/v1/apps/{app}/collaborators/{collaborator}", patch=_CHANGE, delete=_REMOVE),
    ]


def list_all(call: Call) -> shapes.CollaboratorsAnswer:
    database_id = _id(call)
    return encoding.encode_all(collaborators.list_for_database(call.service, call.principal, database_id), database_id)


def invite(call: Call) -> shapes.CollaboratorAnswer:
    database_id, request = _id(call), read_invitation(call)
    invited = collaborators.invite_to_database(call.service, call.principal, database_id, request)
    return encoding.encode(invited, database_id)


def change(call: Call) -> shapes.CollaboratorAnswer:
    database_id, account, limited = _id(call), call.path["collaborator"], read_limited(call)
    changed = collaborators.change_for_database(call.service, call.principal, database_id, account, limited)
    return encoding.encode(changed, database_id)


def remove(call: Call) -> None:
    collaborators.remove_from_database(call.service, call.principal, call.path["app"], call.path["collaborator"])


def _id(call: Call) -> str:
    return databases.get(call.service, call.principal, call.path["app"]).id


_LIST = Method(
    list_all,
    "List who may use a database beside its owner",
    shapes.CollaboratorsAnswer,
    parameters=(APP,),
    errors=NOT_FOUND,
    not_found=not_found,
)
_INVITE = Method(
    invite,
    "Let another account use a database, and no other",
    shapes.CollaboratorAnswer,
    status=201,
    writes=True,
    body=shapes.InviteCollaborator,
    authorize=authorize("app", databases.get_as_owner),
    parameters=(APP,),
    errors={403: wire.Error, **NOT_FOUND},
    not_found=not_found,
)
_CHANGE = Method(
    change,
    "Limit a collaborator of a database to see and use it, or let it change the database",
    shapes.CollaboratorAnswer,
    writes=True,
    body=shapes.ChangeCollaborator,
    authorize=authorize("app", databases.get_as_owner),
    parameters=(APP, COLLABORATOR),
    errors={403: wire.Error, 409: wire.Error, **NOT_FOUND},
    not_found=not_found,
)
_REMOVE = Method(
    remove,
    "End a collaboration",
    None,
    status=204,
    writes=True,
    parameters=(APP, COLLABORATOR),
    errors={403: wire.Error, 409: wire.Error, **NOT_FOUND},
    not_found=not_found,
)
