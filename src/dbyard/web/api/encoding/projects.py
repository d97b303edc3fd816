"""Projects on the wire."""

from __future__ import annotations

from collections.abc import Sequence

from dbyard.model.times import to_datetime
from dbyard.service.accounts.projects import OwnedProject
from dbyard.wire import projects as wire


def encode_all(projects: Sequence[OwnedProject]) -> wire.ProjectsAnswer:
    return wire.ProjectsAnswer([_project(each) for each in projects])


def encode(owned: OwnedProject) -> wire.ProjectAnswer:
    return wire.ProjectAnswer(_project(owned))


def _project(owned: OwnedProject) -> wire.Project:
    project, owner = owned.project, owned.owner
    return wire.Project(
        id=project.id,
        name=project.name,
        default=project.default,
        created_at=to_datetime(project.created_at),
        updated_at=to_datetime(project.updated_at),
        owner=wire.ProjectOwner(owner.id, owner.username, owner.email),
    )
