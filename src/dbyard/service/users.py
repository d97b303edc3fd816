"""The accounts of people: made, disabled and enabled by an administrator, for whom alone these use cases are."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import replace

from msgspec import UNSET

from dbyard import secrets
from dbyard.errors import Conflict, Invalid, NotFound
from dbyard.model import Account, EventType, Principal, Project, Token
from dbyard.service import Service, events
from dbyard.service.dates import date_or_none
from dbyard.store import Connection, accounts, projects, tokens
from dbyard.wire import users as wire

RESERVED = ("self", "dbyard", "nobody")
"""Names that mean something else in a path or an event; nor may a name look like an id (`us-`)."""
USERNAME_RULE = "should have between 1 and 32 of a-z, 0-9, '.', '-' and '_', with a letter or digit at both ends"
EMAIL_RULE = "should be an e-mail address in ASCII"
PASSWORD_RULE = "should have between 12 and 256 characters, none of them a control character"  # noqa: S105
TAKEN = "has already been taken"

Fields = Mapping[str, object]
_Wrong = dict[str, list[str]]


def list_all(service: Service) -> wire.AccountsAnswer:
    with service.store.read() as connection:
        return wire.AccountsAnswer([_wire(each) for each in accounts.list_all(connection)])


def get(service: Service, key: str) -> wire.AccountAnswer:
    with service.store.read() as connection:
        return wire.AccountAnswer(_wire(_find(connection, key)))


def create(service: Service, principal: Principal, fields: Fields) -> wire.AccountAnswer:
    """An account with its default project and a token, which only this answer has.

    Raises Invalid with every wrong field at once.
    """
    wrong: _Wrong = {}
    account = Account(
        id=f"us-{uuid.uuid4()}",
        username=_username(fields.get("username"), wrong),
        email=_email(fields.get("email"), wrong),
        admin=_flag(fields, "admin", wrong) or False,
    )
    password = _password(fields.get("password"), wrong)
    hashed = None if password is None or wrong else secrets.hash_password(password)
    now, value = service.clock(), secrets.mint_token()
    with service.store.tx() as connection:
        _check_taken(connection, account, wrong)
        accounts.insert_account(connection, account, now, hashed)
        projects.insert(connection, Project(f"pr-{uuid.uuid4()}", account.id, "default", True, now, now))
        tokens.insert(connection, account.id, Token(secrets.make_id(), "first", now, None), secrets.digest(value))
        _record(connection, principal, EventType.NEW_USER, account, now)
    return wire.AccountAnswer(_wire(account, value))


def update(service: Service, principal: Principal, key: str, fields: Fields) -> wire.AccountAnswer:
    """What is left out or null stays.

    A disabled account's tokens are refused from now on; its databases go on. Raises Conflict for the last administrator
    who is not disabled.
    """
    wrong: _Wrong = {}
    disabled, password = _flag(fields, "disabled", wrong), _password(fields.get("password"), wrong)
    if wrong:
        raise Invalid(wrong)
    hashed = None if password is None else secrets.hash_password(password)
    now = service.clock()
    with service.store.tx() as connection:
        account = _find(connection, key)
        if hashed is not None:
            accounts.set_password(connection, account.id, hashed)
            _record(connection, principal, EventType.EDIT_USER, account, now)
        if disabled is not None and disabled != (account.disabled_at is not None):
            account = _switch(connection, account, now if disabled else None)
            kind = EventType.DISABLE_USER if disabled else EventType.ENABLE_USER
            _record(connection, principal, kind, account, now)
    return wire.AccountAnswer(_wire(account))


def _find(connection: Connection, key: str) -> Account:
    account = accounts.get(connection, key) or accounts.find_account(connection, key)
    if account is None:
        raise NotFound("User not found")
    return account


def _switch(connection: Connection, account: Account, disabled_at: float | None) -> Account:
    if disabled_at is not None and account.admin and not accounts.has_other_admin(connection, account.id):
        raise Conflict("The last administrator cannot be disabled: make or enable another one first")
    accounts.set_disabled(connection, account.id, disabled_at)
    return replace(account, disabled_at=disabled_at)


def _username(value: object, wrong: _Wrong) -> str:
    if not isinstance(value, str) or not re.fullmatch(wire.USERNAME_PATTERN.strip("^$"), value):
        wrong["username"] = [f"is missing: {USERNAME_RULE}" if value is None else USERNAME_RULE]
        return ""
    if value in RESERVED or value.startswith("us-"):
        wrong["username"] = ["is reserved"]
    return value


def _email(value: object, wrong: _Wrong) -> str:
    if isinstance(value, str) and len(value) <= 254 and re.fullmatch(wire.EMAIL_PATTERN.strip("^$"), value):
        return value
    wrong["email"] = [f"is missing: {EMAIL_RULE}" if value is None else EMAIL_RULE]
    return ""


def _password(value: object, wrong: _Wrong) -> str | None:
    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch(wire.PASSWORD_PATTERN.strip("^$"), value):
        return value
    wrong["password"] = [PASSWORD_RULE]
    return None


def _flag(fields: Fields, name: str, wrong: _Wrong) -> bool | None:
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return value
    wrong[name] = ["should be true or false"]
    return None


def _check_taken(connection: Connection, account: Account, wrong: _Wrong) -> None:
    """Raises Invalid for all that is wrong, what is taken among it."""
    if "username" not in wrong and accounts.find_account(connection, account.username):
        wrong["username"] = [TAKEN]
    if "email" not in wrong and accounts.find_by_email(connection, account.email):
        wrong["email"] = [TAKEN]
    if wrong:
        raise Invalid(wrong)


def _record(connection: Connection, principal: Principal, kind: EventType, account: Account, now: float) -> None:
    told = {"id": account.id, "username": account.username, "email": account.email, "admin": account.admin}
    events.record(connection, principal, kind, now, owner_id=account.id, data=told)


def _wire(account: Account, token: str | None = None) -> wire.Account:
    return wire.Account(
        account.id, account.username, account.email, account.admin, date_or_none(account.disabled_at), token or UNSET
    )
