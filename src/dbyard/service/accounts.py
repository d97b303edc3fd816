"""Accounts: who is asking."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from dbyard import secrets
from dbyard.errors import Unauthorized
from dbyard.model import Account, Principal, Project, Scope, Token
from dbyard.service import Service
from dbyard.store import Connection, accounts, projects, tokens

FIRST_PROJECT = "pr-82a3cac5-9b25-473e-b33d-6272b87e636f"
"""The id of the first account's default project: the one in the API documentation's examples, so that they work as they
stand. Ids need to be unique within a platform only."""


def bootstrap(service: Service, save: Callable[[str], None]) -> str | None:
    """Make sure that somebody can come in: the account `admin`, its default project and a token.

    Returns the token when one had to be made. `save` gets it before it is valid, so whoever dies in between has a
    worthless token, not a lost one. An account that has no token any more which may do everything gets a new one.
    """
    now = service.clock()
    with service.store.read() as connection:
        admin = accounts.find_account(connection, "admin")
        if admin and any(_may_do_everything(token, now) for token in tokens.list_all(connection, admin.id)):
            return None
    value = secrets.mint_token()
    save(value)
    with service.store.tx() as connection:
        admin = admin or _open_account(connection, now)
        tokens.insert(connection, admin.id, Token(secrets.make_id(), "first", now, None), secrets.digest(value))
    return value


def authenticate(service: Service, token: str) -> Principal:
    """Whose token this is; raises Unauthorized."""
    digest = secrets.digest(token)
    principal = service.store.cached(("principal", digest), lambda connection: _principal(connection, digest))
    if principal.expires_at is not None and principal.expires_at <= service.clock():
        raise Unauthorized("The bearer token has expired")
    return principal


def touch(service: Service, principal: Principal) -> None:
    """Note that the token was used."""
    with service.store.tx() as connection:
        tokens.touch(connection, principal.token_id, service.clock())


def _may_do_everything(token: Token, now: float) -> bool:
    lasts = token.expires_at is None or token.expires_at > now
    return token.scope is Scope.ADMIN and token.project_id is None and lasts


def _open_account(connection: Connection, now: float) -> Account:
    admin = Account(f"us-{uuid.uuid4()}", "admin", "admin@localhost", admin=True)
    accounts.insert_account(connection, admin, now)
    projects.insert(connection, Project(FIRST_PROJECT, admin.id, "default", True, now, now))
    return admin


def _principal(connection: Connection, digest: bytes) -> Principal:
    # Raising keeps wrong tokens out of the cache, so nobody can fill it with them.
    holder = tokens.find_holder(connection, digest)
    if holder is None:
        raise Unauthorized("The bearer token is not valid")
    return holder.principal
