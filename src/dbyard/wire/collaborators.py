"""Who may use a database, or the databases of a project, beside the owner."""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType


class Collaborator(Struct, frozen=True):
    """`id` and `user_id` are the account's. An invitation need not be accepted: `status` is `accepted` at once.

    `project_id` is there for access to all databases of a project. A limited one may see and use, and change nothing.
    """

    id: str
    user_id: str
    app_id: str | None
    project_id: str | None
    username: str
    email: str
    status: str = "accepted"
    invitation_link: str = ""
    is_limited: bool = False


class CollaboratorAnswer(Struct, frozen=True):
    collaborator: Collaborator


class CollaboratorsAnswer(Struct, frozen=True):
    collaborators: list[Collaborator]


class Invitation(Struct, frozen=True):
    email: str
    is_limited: bool | UnsetType | None = UNSET


class InviteCollaborator(Struct, frozen=True):
    collaborator: Invitation


class CollaboratorChange(Struct, frozen=True):
    is_limited: bool


class ChangeCollaborator(Struct, frozen=True):
    collaborator: CollaboratorChange
