"""Collaborators on the wire."""

from __future__ import annotations

from collections.abc import Sequence

from dbyard.service.accounts.collaborators import Collaborator
from dbyard.wire import collaborators as wire


def encode_all(found: Sequence[Collaborator], database_id: str | None = None) -> wire.CollaboratorsAnswer:
    return wire.CollaboratorsAnswer([_collaborator(each, database_id) for each in found])


def encode(collaborator: Collaborator, database_id: str | None = None) -> wire.CollaboratorAnswer:
    return wire.CollaboratorAnswer(_collaborator(collaborator, database_id))


def _collaborator(collaborator: Collaborator, database_id: str | None) -> wire.Collaborator:
    account = collaborator.account
    return wire.Collaborator(
        id=account.id,
        user_id=account.id,
        app_id=database_id,
        project_id=collaborator.project_id,
        username=account.username,
        email=account.email,
        is_limited=collaborator.limited,
    )
