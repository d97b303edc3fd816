"""API tokens: created, listed, renewed, revoked. A token cannot create or renew one that may do more than itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

import msgspec

from dbyard import secrets
from dbyard.errors import Forbidden, NotFound
from dbyard.model import EventType, Principal, Scope, Token, patterns
from dbyard.model.times import to_datetime
from dbyard.service import Service
from dbyard.service.validation import FieldErrors
from dbyard.store import Connection, events, projects, tokens

NAME_RULE = "should have between 1 and 64 characters, none of them a control character"
LONGEST_SECONDS = 10 * 365 * 86400
END_RULE = "should be a date with a time zone, after now and within ten years"

_Date = Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What a client sent, not checked yet; what is missing or null is as of the token that asks."""

    name: object = None
    scope: object = None
    project_id: object = None
    expires_in: object = None
    expires_at: object = None


@dataclass(frozen=True, slots=True)
class MintedToken:
    """A token with its value, which is known at this moment only."""

    token: Token
    value: str

    def __repr__(self) -> str:
        return f"MintedToken(token={self.token!r})"


def list_all(service: Service, principal: Principal) -> list[Token]:
    """The account's, oldest first; for a token of one project, those of that project."""
    with service.store.read() as connection:
        return tokens.list_all(connection, principal.account.id, principal.project_id)


def create(service: Service, principal: Principal, request: TokenRequest) -> MintedToken:
    """Raises Invalid with every wrong field at once, then NotFound for the project."""
    now = service.clock()
    token, value = _validate(principal, request, now), secrets.mint_token()
    with service.store.tx() as connection:
        project_id = token.project_id
        if project_id is not None and not projects.find(connection, principal.account.id, project_id):
            raise NotFound("Project not found", resource="project")
        tokens.insert(connection, principal.account.id, token, secrets.digest(value))
        events.record(connection, principal, EventType.TOKEN_CREATED, now, data=event_data(token))
    return MintedToken(token, value)


def renew(service: Service, principal: Principal, token_id: str) -> MintedToken:
    """The token with another value; it ends as long from now as it did when it was issued.

    A token that renews itself keeps its end: otherwise a stolen one could be kept alive for ever.
    """
    now, value = service.clock(), secrets.mint_token()
    with service.store.tx() as connection:
        token, old = _find(connection, principal, token_id)
        renewed = replace(token, issued_at=now, expires_at=_new_end(principal, token, now))
        tokens.renew(connection, renewed, secrets.digest(value))
        events.record(connection, principal, EventType.TOKEN_RENEWED, now, data=event_data(token))
    service.on_revoke(old)
    return MintedToken(renewed, value)


def revoke(service: Service, principal: Principal, token_id: str) -> None:
    with service.store.tx() as connection:
        token, digest = _find(connection, principal, token_id)
        tokens.delete(connection, token.id)
        events.record(connection, principal, EventType.TOKEN_DELETED, service.clock(), data=event_data(token))
    service.on_revoke(digest)


def event_data(token: Token) -> dict[str, object]:
    """What an event tells of a token."""
    return {"token_id": token.id, "token_name": token.name, "scope": token.scope}


def _find(connection: Connection, principal: Principal, token_id: str) -> tuple[Token, bytes]:
    found = tokens.find(connection, principal.account.id, token_id, principal.project_id)
    if found is None:
        raise NotFound("Token not found", resource="token")
    if not principal.scope.covers(found[0].scope):
        raise Forbidden(f"A token of the scope {principal.scope} cannot change one of the scope {found[0].scope}")
    return found


def _new_end(principal: Principal, token: Token, now: float) -> float | None:
    begun = token.created_at if token.issued_at is None else token.issued_at
    ends = [now + token.expires_at - begun] if token.expires_at is not None else []
    ends += [principal.expires_at] if principal.expires_at is not None else []
    return min(ends, default=None)


# ---- checking what a client sent --------------------------------------------------------------------------------


def _validate(principal: Principal, request: TokenRequest, now: float) -> Token:
    wrong = FieldErrors()
    token = Token(
        id=secrets.make_id(),
        name=_name(request.name, wrong),
        created_at=now,
        last_used_at=None,
        scope=_scope(principal, request.scope, wrong),
        project_id=_project(principal, request.project_id, wrong),
        expires_at=_end(principal, request, now, wrong),
    )
    wrong.check()
    return token


def _name(value: object, wrong: FieldErrors) -> str:
    if not patterns.matches(patterns.TOKEN_NAME, value):
        wrong.add("name", NAME_RULE)
    return str(value)


def _scope(principal: Principal, value: object, wrong: FieldErrors) -> Scope:
    if value is None:
        return principal.scope
    allowed = [scope for scope in Scope if principal.scope.covers(scope)]
    if isinstance(value, str) and value in allowed:
        return Scope(value)
    wrong.add("scope", f"should be one of what the token that asks may do: {', '.join(allowed)}")
    return principal.scope


def _project(principal: Principal, value: object, wrong: FieldErrors) -> str | None:
    if value is None:
        return principal.project_id
    if not isinstance(value, str):
        wrong.add("project_id", "should be the id of a project")
    elif principal.project_id not in (None, value):
        wrong.add("project_id", f"should be the project of the token that asks: {principal.project_id}")
    return str(value)


def _end(principal: Principal, request: TokenRequest, now: float, wrong: FieldErrors) -> float | None:
    """The earliest end that is asked for; never later than that of the token that asks."""
    asked = [_seconds(request.expires_in, now, wrong), _moment(request.expires_at, now, wrong)]
    ends = [end for end in asked if end is not None]
    if not ends:
        return principal.expires_at
    if principal.expires_at is not None and min(ends) > principal.expires_at:
        name = "expires_at" if asked[0] is None else "expires_in"
        wrong.add(name, f"should not be later than the end of the token that asks: {to_datetime(principal.expires_at)}")
    return min(ends)


def _seconds(value: object, now: float, wrong: FieldErrors) -> float | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON knows no difference between 5 and 5.0
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LONGEST_SECONDS:
        return now + value
    wrong.add("expires_in", f"should be a number of seconds between 1 and {LONGEST_SECONDS}")
    return None


def _moment(value: object, now: float, wrong: FieldErrors) -> float | None:
    if value is None:
        return None
    try:
        moment = msgspec.convert(value, _Date).timestamp()
    except (msgspec.ValidationError, OverflowError, ValueError):
        moment = now
    if now < moment <= now + LONGEST_SECONDS:
        return moment
    wrong.add("expires_at", END_RULE)
    return None
