"""Accounts and their tokens: who is asking."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from msgspec import UNSET

from dbyard import secrets, wire
from dbyard.errors import Invalid, NotFound, Unauthorized
from dbyard.model import Account, Principal, Project, Token
from dbyard.service import Service
from dbyard.service.dates import date, date_or_none
from dbyard.store import Connection, accounts

FIRST_PROJECT = "pr-82a3cac5-9b25-473e-b33d-6272b87e636f"
"""The id of the first account's default project: the one in the API documentation's examples, so that they work as they
stand. Ids need to be unique within a platform only."""
NAME_PATTERN = r"^[^\u0000-\u001f\u007f-\u009f]{1,64}$"
NAME_RULE = "should have between 1 and 64 characters, none of them a control character"


def bootstrap(service: Service, save: Callable[[str], None]) -> str | None:
    """Make sure that somebody can come in: the account `admin`, its default project and a token.

    Returns the token when one had to be made. `save` gets it before it is valid, so whoever dies in between has a
    worthless token, not a lost one. An account whose last token was revoked gets a new one.
    """
    with service.store.read() as connection:
        admin = accounts.find_account(connection, "admin")
        if admin and accounts.list_tokens(connection, admin.id):
            return None
    value = secrets.mint_token()
    save(value)
    now = service.clock()
    with service.store.tx() as connection:
        admin = admin or _open_account(connection, now)
        accounts.insert_token(connection, admin.id, Token(secrets.make_id(), "first", now, None), secrets.digest(value))
    return value


def authenticate(service: Service, token: str) -> Principal:
    """Whose token this is; raises Unauthorized."""
    digest = secrets.digest(token)
    return service.store.cached(("principal", digest), lambda connection: _principal(connection, digest))


def touch(service: Service, principal: Principal) -> None:
    """Note that the token was used."""
    with service.store.tx() as connection:
        accounts.touch_token(connection, principal.token_id, service.clock())


def list_tokens(service: Service, principal: Principal) -> wire.TokensAnswer:
    with service.store.read() as connection:
        tokens = accounts.list_tokens(connection, principal.account.id)
    return wire.TokensAnswer([_token(token) for token in tokens])


def create_token(service: Service, principal: Principal, name: object) -> wire.TokenAnswer:
    """The only answer that has the token's value."""
    if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name):
        raise Invalid({"name": [NAME_RULE]})
    value = secrets.mint_token()
    token = Token(secrets.make_id(), name, service.clock(), None)
    with service.store.tx() as connection:
        accounts.insert_token(connection, principal.account.id, token, secrets.digest(value))
    return wire.TokenAnswer(_token(token, value))


def revoke_token(service: Service, principal: Principal, token_id: str) -> None:
    with service.store.tx() as connection:
        digest = accounts.delete_token(connection, principal.account.id, token_id)
    if digest is None:
        raise NotFound("Token not found")
    service.on_revoke(digest)


def _open_account(connection: Connection, now: float) -> Account:
    admin = Account(f"us-{uuid.uuid4()}", "admin", "admin@localhost", admin=True)
    accounts.insert_account(connection, admin, now)
    accounts.insert_project(connection, Project(FIRST_PROJECT, admin.id, "default", default=True), now)
    return admin


def _principal(connection: Connection, digest: bytes) -> Principal:
    # Raising keeps wrong tokens out of the cache, so nobody can fill it with them.
    principal = accounts.find_principal(connection, digest)
    if principal is None:
        raise Unauthorized("The bearer token is not valid")
    return principal


def _token(token: Token, value: str | None = None) -> wire.Token:
    created = date(token.created_at)
    return wire.Token(token.id, token.name, created, created, date_or_none(token.last_used_at), value or UNSET)
