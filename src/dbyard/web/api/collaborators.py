"""`/v1/projects/{project}/collaborators`: who may use all databases of a project beside its owner."""

from __future__ import annotations

from dbyard import wire
from dbyard.service.accounts import collaborators, projects
from dbyard.service.accounts.collaborators import InvitationRequest
from dbyard.web.api.encoding import collaborators as encoding
from dbyard.web.api.projects import PROJECT
from dbyard.web.handlers import authorize, for_path
from dbyard.web.requests import unwrap
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.wire import collaborators as shapes

COLLABORATOR = Parameter(
    "collaborator",
    "path",
    "The collaborator's id",
    {"type": "string"},
    required=True,
    source="/collaborator/id",
)


def routes() -> list[Route]:
    return [
        route("/v1/projects/{project}/collaborators", get=_LIST, post=_INVITE),
        route("/v1/projects/{project}/collaborators/{collaborator}", patch=_CHANGE, delete=_REMOVE),
    ]


def read_invitation(call: Call) -> InvitationRequest:
    fields = unwrap(call.fields(), "collaborator")
    return InvitationRequest(fields.get("email"), fields.get("is_limited"))


def read_limited(call: Call) -> object:
    return unwrap(call.fields(), "collaborator").get("is_limited")


def invite(call: Call) -> shapes.CollaboratorAnswer:
    request = read_invitation(call)
    return encoding.encode(collaborators.invite_to_project(call.service, call.principal, call.path["project"], request))


def change(call: Call) -> shapes.CollaboratorAnswer:
    project, account, limited = call.path["project"], call.path["collaborator"], read_limited(call)
    return encoding.encode(collaborators.change_for_project(call.service, call.principal, project, account, limited))


def remove(call: Call) -> None:
    collaborators.remove_from_project(call.service, call.principal, call.path["project"], call.path["collaborator"])


_LIST = Method(
    for_path("project", collaborators.list_for_project, encoding.encode_all),
    "List who may use all databases of a project beside its owner",
    shapes.CollaboratorsAnswer,
    parameters=(PROJECT,),
    errors={404: wire.Error},
)
_INVITE = Method(
    invite,
    "Let another account use all databases of a project",
    shapes.CollaboratorAnswer,
    status=201,
    writes=True,
    body=shapes.InviteCollaborator,
    authorize=authorize("project", projects.get),
    parameters=(PROJECT,),
    errors={403: wire.Error, 404: wire.Error},
)
_CHANGE = Method(
    change,
    "Limit a collaborator of a project to see and use its databases, or let it change them",
    shapes.CollaboratorAnswer,
    writes=True,
    body=shapes.ChangeCollaborator,
    authorize=authorize("project", projects.get),
    parameters=(PROJECT, COLLABORATOR),
    errors={403: wire.Error, 404: wire.Error},
)
_REMOVE = Method(
    remove,
    "End a collaboration in a project",
    None,
    status=204,
    writes=True,
    parameters=(PROJECT, COLLABORATOR),
    errors={403: wire.Error, 404: wire.Error},
)
