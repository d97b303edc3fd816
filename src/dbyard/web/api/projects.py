"""`/v1/projects`: what databases are kept in."""

from __future__ import annotations

from dbyard import wire
from dbyard.service.accounts import projects
from dbyard.service.accounts.projects import ProjectRequest
from dbyard.web.api.encoding import projects as encoding
from dbyard.web.handlers import authorize, for_path, for_principal
from dbyard.web.requests import unwrap
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.wire import projects as shapes

PROJECT = Parameter("project", "path", "The project's id", {"type": "string"}, required=True, source="/project/id")


def routes() -> list[Route]:
    return [
        route("/v1/projects", get=_LIST, post=_CREATE),
        route("/v1/projects/{project}", get=_GET, patch=_UPDATE, delete=_DELETE),
    ]


def create(call: Call) -> shapes.ProjectAnswer:
    return encoding.encode(projects.create(call.service, call.principal, _request(call)))


def update(call: Call) -> shapes.ProjectAnswer:
    return encoding.encode(projects.update(call.service, call.principal, call.path["project"], _request(call)))


def _request(call: Call) -> ProjectRequest:
    fields = unwrap(call.fields(), "project")
    return ProjectRequest(fields.get("name"), fields.get("default"))


_LIST = Method(
    for_principal(projects.list_all, encoding.encode_all), "List your projects, oldest first", shapes.ProjectsAnswer
)
_CREATE = Method(
    create,
    "Create a project",
    shapes.ProjectAnswer,
    status=201,
    writes=True,
    body=shapes.CreateProject,
    errors={403: wire.Error, 409: wire.Error},
)
_GET = Method(
    for_path("project", projects.get, encoding.encode),
    "Get a project",
    shapes.ProjectAnswer,
    parameters=(PROJECT,),
    errors={404: wire.Error},
)
_UPDATE = Method(
    update,
    "Give a project another name, or make it the default one",
    shapes.ProjectAnswer,
    writes=True,
    body=shapes.UpdateProject,
    authorize=authorize("project", projects.get),
    parameters=(PROJECT,),
    errors={403: wire.Error, 404: wire.Error},
)
_DELETE = Method(
    for_path("project", projects.delete),
    "Delete an empty project",
    None,
    status=204,
    writes=True,
    parameters=(PROJECT,),
    errors={403: wire.Error, 404: wire.Error, 409: wire.Error},
)
