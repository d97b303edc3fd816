"""API tokens: made, listed, renewed, ended. None can make or renew one that may do more than itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec
from msgspec import UNSET

from dbyard import secrets, wire
from dbyard.errors import Forbidden, Invalid, NotFound
from dbyard.model import EventType, Principal, Scope, Token
from dbyard.service import Service, events
from dbyard.service.dates import date, date_or_none
from dbyard.store import Connection, projects, tokens

NAME_PATTERN = r"^[^\u0000-\u001f\u007f-\u009f]{1,64}$"
NAME_RULE = "should have between 1 and 64 characters, none of them a control character"
LONGEST_SECONDS = 10 * 365 * 86400
END_RULE = "should be a date with a time zone, after now and within ten years"

Fields = Mapping[str, object]


def list_all(service: Service, principal: Principal) -> wire.TokensAnswer:
    """The account's; for a token of one project, those of that project."""
    with service.store.read() as connection:
        found = tokens.list_all(connection, principal.account.id, principal.project_id)
    return wire.TokensAnswer([_wire(token) for token in found])


def create(service: Service, principal: Principal, fields: Fields) -> wire.TokenAnswer:
    """What `fields` leave out is as of the principal. The answer has the token's value.

    Raises Invalid with every wrong field at once, then NotFound for the project.
    """
    now = service.clock()
    token, value = _choose(principal, fields, now), secrets.mint_token()
    with service.store.tx() as connection:
        project_id = token.project_id
        if project_id is not None and not projects.find(connection, principal.account.id, project_id):
            raise NotFound("Project not found")
        tokens.insert(connection, principal.account.id, token, secrets.digest(value))
        _record(connection, principal, EventType.NEW_TOKEN, token, now)
    return wire.TokenAnswer(_wire(token, value))


def renew(service: Service, principal: Principal, token_id: str) -> wire.TokenAnswer:
    """The token with another value, shown in this answer only; it ends as long from now as it did when it was issued.

    A token that renews itself keeps its end: else whoever stole one could keep it alive for ever.
    """
    now, value = service.clock(), secrets.mint_token()
    with service.store.tx() as connection:
        token, old = _find(connection, principal, token_id)
        renewed = replace(token, issued_at=now, expires_at=_new_end(principal, token, now))
        tokens.renew(connection, renewed, secrets.digest(value))
        _record(connection, principal, EventType.REGENERATE_TOKEN, token, now)
    service.on_revoke(old)
    return wire.TokenAnswer(_wire(renewed, value))


def revoke(service: Service, principal: Principal, token_id: str) -> None:
    with service.store.tx() as connection:
        token, digest = _find(connection, principal, token_id)
        tokens.delete(connection, token.id)
        _record(connection, principal, EventType.DELETE_TOKEN, token, service.clock())
    service.on_revoke(digest)


def _find(connection: Connection, principal: Principal, token_id: str) -> tuple[Token, bytes]:
    found = tokens.find(connection, principal.account.id, token_id, principal.project_id)
    if found is None:
        raise NotFound("Token not found")
    if not principal.scope.covers(found[0].scope):
        raise Forbidden(f"A token of the scope {principal.scope} cannot change one of the scope {found[0].scope}")
    return found


def _new_end(principal: Principal, token: Token, now: float) -> float | None:
    begun = token.created_at if token.issued_at is None else token.issued_at
    ends = [now + token.expires_at - begun] if token.expires_at is not None else []
    ends += [principal.expires_at] if principal.expires_at is not None else []
    return min(ends, default=None)


def _record(connection: Connection, principal: Principal, kind: EventType, token: Token, now: float) -> None:
    events.record(connection, principal, kind, now, data=events.token_data(token))


def _wire(token: Token, value: str | None = None) -> wire.Token:
    created = date(token.created_at)
    return wire.Token(
        id=token.id,
        name=token.name,
        created_at=created,
        issued_at=created if token.issued_at is None else date(token.issued_at),
        last_used_at=date_or_none(token.last_used_at),
        scope=token.scope,
        project_id=token.project_id,
        expires_at=date_or_none(token.expires_at),
        token=value or UNSET,
    )


# ---- what is asked for ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Wrong:
    """The fields that are wrong so far."""

    fields: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, message: str) -> None:
        self.fields.setdefault(name, []).append(message)


def _choose(principal: Principal, fields: Fields, now: float) -> Token:
    wrong = _Wrong()
    token = Token(
        id=secrets.make_id(),
        name=_name(fields.get("name"), wrong),
        created_at=now,
        last_used_at=None,
        scope=_scope(principal, fields.get("scope"), wrong),
        project_id=_project(principal, fields.get("project_id"), wrong),
        expires_at=_end(principal, fields, now, wrong),
    )
    if wrong.fields:
        raise Invalid(wrong.fields)
    return token


def _name(value: object, wrong: _Wrong) -> str:
    if isinstance(value, str) and re.fullmatch(NAME_PATTERN, value):
        return value
    wrong.add("name", NAME_RULE)
    return ""


def _scope(principal: Principal, value: object, wrong: _Wrong) -> Scope:
    if value is None:
        return principal.scope
    allowed = [scope for scope in Scope if principal.scope.covers(scope)]
    if isinstance(value, str) and value in allowed:
        return Scope(value)
    wrong.add("scope", f"should be one of what the token that asks may do: {', '.join(allowed)}")
    return principal.scope


def _project(principal: Principal, value: object, wrong: _Wrong) -> str | None:
    if value is None:
        return principal.project_id
    if not isinstance(value, str):
        wrong.add("project_id", "should be the id of a project")
    elif principal.project_id not in (None, value):
        wrong.add("project_id", f"should be the project of the token that asks: {principal.project_id}")
    return str(value)


def _end(principal: Principal, fields: Fields, now: float, wrong: _Wrong) -> float | None:
    """The earliest of what is asked for; never later than that of the token that asks."""
    asked = [_seconds(fields.get("expires_in"), now, wrong), _moment(fields.get("expires_at"), now, wrong)]
    ends = [end for end in asked if end is not None]
    if not ends:
        return principal.expires_at
    if principal.expires_at is not None and min(ends) > principal.expires_at:
        name = "expires_at" if asked[0] is None else "expires_in"
        wrong.add(name, f"should not be later than the end of the token that asks: {date(principal.expires_at)}")
    return min(ends)


def _seconds(value: object, now: float, wrong: _Wrong) -> float | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON knows no difference between 5 and 5.0
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= LONGEST_SECONDS:
        return now + value
    wrong.add("expires_in", f"should be a number of seconds between 1 and {LONGEST_SECONDS}")
    return None


def _moment(value: object, now: float, wrong: _Wrong) -> float | None:
    if value is None:
        return None
    try:
        moment = msgspec.convert(value, wire.Date).timestamp()
    except (msgspec.ValidationError, OverflowError, ValueError):
        moment = now
    if now < moment <= now + LONGEST_SECONDS:
        return moment
    wrong.add("expires_at", END_RULE)
    return None
