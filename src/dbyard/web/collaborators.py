"""`/v1/apps/{app}/collaborators`: who may use a database beside its owner."""

from __future__ import annotations

from dbyard import wire
from dbyard.service import apps, collaborators
from dbyard.web.apps import APP, NOT_FOUND
from dbyard.web.bodies import unwrap
from dbyard.web.routes import Call, Parameter, Route, Verb, route
from dbyard.wire import projects as shapes

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


def list_all(call: Call) -> shapes.CollaboratorsAnswer:
    return collaborators.list_all(call.service, call.principal, call.path["app"])


def invite(call: Call) -> shapes.CollaboratorAnswer:
    app = apps.find(call.service, call.principal, call.path["app"])  # before anything is said of the body
    email = unwrap(call.fields(), "collaborator").get("email")
    return collaborators.invite(call.service, call.principal, app.id, email)


def remove(call: Call) -> None:
    collaborators.remove(call.service, call.principal, call.path["app"], call.path["collaborator"])


_LIST = Verb(
    list_all,
    "List who may use a database beside its owner",
    shapes.CollaboratorsAnswer,
    parameters=(APP,),
    refusals=NOT_FOUND,
)
_INVITE = Verb(
    invite,
    "Let another account use all databases of the app's project",
    shapes.CollaboratorAnswer,
    status=201,
    writes=True,
    body=shapes.InviteCollaborator,
    parameters=(APP,),
    refusals={403: wire.Error, **NOT_FOUND},
)
_REMOVE = Verb(
    remove,
    "End a collaboration",
    None,
    status=204,
    writes=True,
    parameters=(APP, _COLLABORATOR),
    refusals={403: wire.Error, **NOT_FOUND},
)
