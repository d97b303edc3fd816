"""`/v1/apps/{app}/collaborators`: who may use a database beside its owner."""

from __future__ import annotations

from collections.abc import Sequence

from dbyard import wire
from dbyard.service.accounts import collaborators
from dbyard.service.accounts.collaborators import Collaborator
from dbyard.service.databases import databases
from dbyard.web.handlers import authorize, for_path
from dbyard.web.requests import unwrap
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.web.scalingo.apps import APP, NOT_FOUND, not_found
from dbyard.wire import collaborators as shapes

_COLLABORATOR = Parameter(
    "collaborator",
    "path",
    "The collaborator's id",
    {"type": "string"},
    required=True,
    source="/collaborator/id",
)


def routes() -> list[Route]:
    return [
        route("/v1/apps/{app}/collaborators", get=_LIST, post=_INVITE),
        route("/v1/apps/{app}/collaborators/{collaborator}", delete=_REMOVE),
    ]


def invite(call: Call) -> shapes.CollaboratorAnswer:
    email = unwrap(call.fields(), "collaborator").get("email")
    invited = collaborators.invite(call.service, call.principal, call.path["app"], email)
    return shapes.CollaboratorAnswer(_encode(invited))


def remove(call: Call) -> None:
    collaborators.remove(call.service, call.principal, call.path["app"], call.path["collaborator"])


def _encode_all(found: Sequence[Collaborator]) -> shapes.CollaboratorsAnswer:
    return shapes.CollaboratorsAnswer([_encode(each) for each in found])


def _encode(collaborator: Collaborator) -> shapes.Collaborator:
    account = collaborator.account
    return shapes.Collaborator(account.id, account.id, collaborator.database.id, account.username, account.email)


_LIST = Method(
    for_path("app", collaborators.list_all, _encode_all),
    "List who may use a database beside its owner",
    shapes.CollaboratorsAnswer,
    parameters=(APP,),
    errors=NOT_FOUND,
    not_found=not_found,
)
_INVITE = Method(
    invite,
    "Let another account use all databases of the app's project",
    shapes.CollaboratorAnswer,
    status=201,
    writes=True,
    body=shapes.InviteCollaborator,
    authorize=authorize("app", databases.get),
    parameters=(APP,),
    errors={403: wire.Error, **NOT_FOUND},
    not_found=not_found,
)
_REMOVE = Method(
    remove,
    "End a collaboration",
    None,
    status=204,
    writes=True,
    parameters=(APP, _COLLABORATOR),
    errors={403: wire.Error, **NOT_FOUND},
    not_found=not_found,
)
