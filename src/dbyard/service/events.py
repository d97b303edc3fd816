"""Events: every use case that changes something tells it here, in the same transaction. `timeline` reads them."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard.model import Database, Event, EventType, Principal, Token
from dbyard.secrets import make_id
from dbyard.store import Connection, events, projects

PLATFORM_ID = "us-00000000-0000-0000-0000-000000000000"
"""Who did what nobody asked for; no account has this id."""
_PLATFORM = ("dbyard", "platform@localhost")


def record(
    connection: Connection,
    principal: Principal | None,
    kind: EventType,
    now: float,
    *,
    database: Database | None = None,
    project_id: str | None = None,
    owner_id: str | None = None,
    data: Mapping[str, object] | None = None,
) -> None:
    """Tell what is done in this transaction, by whom (None: by the platform itself). Never a secret in `data`.

    It concerns a database, else a project, else an account: `owner_id`, or whoever asks. What is about to be removed
    is told before it is.
    """
    project_id = database.project_id if database else project_id
    owner_id = owner_id or (project_id and projects.owner_of(connection, project_id))
    account = principal.account if principal else None
    username, email = (account.username, account.email) if account else _PLATFORM
    events.record(
        connection,
        Event(
            id=make_id(),
            at=now,
            owner_id=owner_id or (account.id if account else PLATFORM_ID),
            account_id=account.id if account else None,
            username=username,
            email=email,
            token_id=(principal.token_id or None) if principal else None,
            project_id=project_id,
            database_id=database.id if database else None,
            app_name=database.name if database else None,
            type=kind,
            data=data or {},
        ),
    )


def addon_data(database: Database) -> dict[str, object]:
    """What clients of Scalingo's API read of an event on an addon."""
    return {
        "addon_id": database.addon_id,
        "addon_provider_name": database.technology,
        "plan_name": database.plan,
        "resource_id": database.id,
    }


def token_data(token: Token) -> dict[str, object]:
    """The same of an event on an API token."""
    return {"token_id": token.id, "token_name": token.name, "scope": token.scope}
