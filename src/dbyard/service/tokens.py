"""API tokens: made, listed, ended. None can make one that may do more than itself."""

from __future__ import annotations

import re

from msgspec import UNSET

from dbyard import secrets, wire
from dbyard.errors import Invalid, NotFound
from dbyard.model import Principal, Token
from dbyard.service import Service
from dbyard.service.dates import date, date_or_none
from dbyard.store import tokens

NAME_PATTERN = r"^[^\u0000-\u001f\u007f-\u009f]{1,64}$"
NAME_RULE = "should have between 1 and 64 characters, none of them a control character"


def list_all(service: Service, principal: Principal) -> wire.TokensAnswer:
    with service.store.read() as connection:
        found = tokens.list_all(connection, principal.account.id, principal.project_id)
    return wire.TokensAnswer([_wire(token) for token in found])


def create(service: Service, principal: Principal, name: object) -> wire.TokenAnswer:
    """The only answer that has the token's value."""
    if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name):
        raise Invalid({"name": [NAME_RULE]})
    value = secrets.mint_token()
    token = Token(
        secrets.make_id(),
        name,
        service.clock(),
        None,
        principal.scope,
        principal.project_id,
        principal.expires_at,
    )
    with service.store.tx() as connection:
        tokens.insert(connection, principal.account.id, token, secrets.digest(value))
    return wire.TokenAnswer(_wire(token, value))


def revoke(service: Service, principal: Principal, token_id: str) -> None:
    with service.store.tx() as connection:
        token = tokens.find(connection, principal.account.id, token_id, principal.project_id)
        digest = tokens.delete(connection, token.id) if token else None
    if digest is None:
        raise NotFound("Token not found")
    service.on_revoke(digest)


def _wire(token: Token, value: str | None = None) -> wire.Token:
    created = date(token.created_at)
    issued = created if token.issued_at is None else date(token.issued_at)
    return wire.Token(token.id, token.name, created, issued, date_or_none(token.last_used_at), value or UNSET)
