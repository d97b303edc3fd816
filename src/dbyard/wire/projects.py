"""Projects: what databases are kept in, each with one owner."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from dbyard.model import patterns
from dbyard.wire import Date

ProjectName = Annotated[str, Meta(min_length=1, max_length=64, pattern=patterns.PROJECT_NAME)]


class ProjectOwner(Struct, frozen=True):
    id: str
    username: str
    email: str
    flags: dict[str, bool] = {}


class Project(Struct, frozen=True):
    id: str
    name: str
    default: bool
    created_at: Date
    updated_at: Date
    owner: ProjectOwner
    flags: dict[str, bool] = {}


class ProjectAnswer(Struct, frozen=True):
    project: Project


class ProjectsAnswer(Struct, frozen=True):
    """Oldest first."""

    projects: list[Project]


class NewProject(Struct, frozen=True, omit_defaults=True):
    name: ProjectName
    default: bool | None = False


class CreateProject(Struct, frozen=True):
    project: NewProject


class ProjectChange(Struct, frozen=True, omit_defaults=True):
    """What stays as it is is left out or null; `default` can be set, and only by setting it elsewhere be lost."""

    name: ProjectName | UnsetType | None = UNSET
    default: bool | UnsetType | None = UNSET


class UpdateProject(Struct, frozen=True):
    project: ProjectChange
