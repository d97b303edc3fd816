"""`/v1/projects`: what databases are kept in."""

from __future__ import annotations

from dbyard import wire
from dbyard.service import projects
from dbyard.web.bodies import unwrap
from dbyard.web.routes import Call, Parameter, Route, Verb, route
from dbyard.wire import projects as shapes

_PROJECT = Parameter("project", "path", "The project's id", {"type": "string"}, required=True, source="/project/id")


def routes() -> list[Route]:
    return [
        route("/v1/projects", get=_LIST, post=_CREATE),
        route("/v1/projects/{project}", get=_GET, patch=_UPDATE, delete=_DELETE),
    ]


def list_all(call: Call) -> shapes.ProjectsAnswer:
    return projects.list_all(call.service, call.principal)


def create(call: Call) -> shapes.ProjectAnswer:
    return projects.create(call.service, call.principal, unwrap(call.fields(), "project"))


def get(call: Call) -> shapes.ProjectAnswer:
    return projects.get(call.service, call.principal, call.path["project"])


def update(call: Call) -> shapes.ProjectAnswer:
    found = projects.get(call.service, call.principal, call.path["project"])  # before anything is said of the body
    return projects.update(call.service, call.principal, found.project.id, unwrap(call.fields(), "project"))


def delete(call: Call) -> None:
    projects.delete(call.service, call.principal, call.path["project"])


_LIST = Verb(list_all, "List your projects, oldest first", shapes.ProjectsAnswer)
_CREATE = Verb(
    create,
    "Create a project",
    shapes.ProjectAnswer,
    status=201,
    writes=True,
    body=shapes.CreateProject,
    refusals={403: wire.Error, 409: wire.Error},
)
_GET = Verb(get, "Get a project", shapes.ProjectAnswer, parameters=(_PROJECT,), refusals={404: wire.Error})
_UPDATE = Verb(
    update,
    "Give a project another name, or make it the default one",
    shapes.ProjectAnswer,
    writes=True,
    body=shapes.UpdateProject,
    parameters=(_PROJECT,),
    refusals={403: wire.Error, 404: wire.Error},
)
_DELETE = Verb(
    delete,
    "Delete an empty project",
    None,
    status=204,
    writes=True,
    parameters=(_PROJECT,),
    refusals={403: wire.Error, 404: wire.Error, 409: wire.Error},
)
