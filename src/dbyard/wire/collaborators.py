"""Who may use a database beside its owner."""

from __future__ import annotations

from msgspec import Struct


class Collaborator(Struct, frozen=True):
    """`id` and `user_id` are the account's. An invitation need not be accepted: `status` is `accepted` at once."""

    id: str
    user_id: str
    app_id: str
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


class InviteCollaborator(Struct, frozen=True):
    collaborator: Invitation
