"""Accounts: created, changed, disabled and enabled by an administrator; the route table lets no one else in."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace

from dbyard import secrets
from dbyard.errors import Conflict, NotFound
from dbyard.model import Account, EventType, Principal, Project, Token, patterns
from dbyard.service import Service
from dbyard.service.validation import NAME_TAKEN, FieldErrors
from dbyard.store import Connection, accounts, events, projects, tokens

RESERVED = ("self", "dbyard", "nobody")
"""Usernames that mean something else in a path or an event; nor may one look like an id (`us-`)."""
USERNAME_RULE = "should have between 1 and 32 of a-z, 0-9, '.', '-' and '_', with a letter or digit at both ends"
EMAIL_RULE = "should be an e-mail address in ASCII"
PASSWORD_RULE = "should have between 12 and 256 characters, none of them a control character"  # noqa: S105


@dataclass(frozen=True, slots=True)
class AccountRequest:
    """What a client sent to create an account, not checked yet."""

    username: object = None
    email: object = None
    admin: object = None
    password: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What a client sent to change an account, not checked yet; what is None stays as it is."""

    disabled: object = None
    password: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account with its first token, which is known at this moment only."""

    account: Account
    token: str = field(repr=False)


def list_all(service: Service, _principal: Principal) -> list[Account]:
    """Oldest first."""
    with service.store.read() as connection:
        return accounts.list_all(connection)


def get(service: Service, _principal: Principal, key: str) -> Account:
    """By id, else by username."""
    with service.store.read() as connection:
        return _find(connection, key)


def create(service: Service, principal: Principal, request: AccountRequest) -> NewAccount:
    """An account with its default project and a first token. Raises Invalid with every wrong field at once."""
    wrong = FieldErrors()
    account = _validate(request, wrong)
    password = _password(request.password, wrong)
    hashed = None if password is None or wrong else secrets.hash_password(password)
    now, value = service.clock(), secrets.mint_token()
    with service.store.tx() as connection:
        _check_taken(connection, account, wrong)
        accounts.insert_account(connection, account, now, hashed)
        projects.insert(connection, Project(f"pr-{uuid.uuid4()}", account.id, "default", True, now, now))
        tokens.insert(connection, account.id, Token(secrets.make_id(), "first", now, None), secrets.digest(value))
        _record(connection, principal, EventType.ACCOUNT_CREATED, account, now)
    return NewAccount(account, value)


def update(service: Service, principal: Principal, key: str, change: AccountChange) -> Account:
    """Disable or enable an account, or give it another password.

    The tokens of a disabled account are refused; its databases go on. Raises Conflict for the last administrator who is
    not disabled.
    """
    wrong = FieldErrors()
    disabled, password = wrong.flag("disabled", change.disabled), _password(change.password, wrong)
    wrong.check()
    hashed = None if password is None else secrets.hash_password(password)
    now = service.clock()
    with service.store.tx() as connection:
        account = _find(connection, key)
        if hashed is not None:
            accounts.set_password(connection, account.id, hashed)
            _record(connection, principal, EventType.ACCOUNT_CHANGED, account, now)
        if disabled is not None and disabled != (account.disabled_at is not None):
            account = _switch(connection, account, now if disabled else None)
            kind = EventType.ACCOUNT_DISABLED if disabled else EventType.ACCOUNT_ENABLED
            _record(connection, principal, kind, account, now)
    return account


def _find(connection: Connection, key: str) -> Account:
    account = accounts.get(connection, key) or accounts.find_account(connection, key)
    if account is None:
        raise NotFound("User not found", resource="account")
    return account


def _switch(connection: Connection, account: Account, disabled_at: float | None) -> Account:
    if disabled_at is not None and account.admin and not accounts.has_other_admin(connection, account.id):
        raise Conflict("The last administrator cannot be disabled: make or enable another one first")
    accounts.set_disabled(connection, account.id, disabled_at)
    return replace(account, disabled_at=disabled_at)


def _validate(request: AccountRequest, wrong: FieldErrors) -> Account:
    return Account(
        id=f"us-{uuid.uuid4()}",
        username=_username(request.username, wrong),
        email=_email(request.email, wrong),
        admin=wrong.flag("admin", request.admin) or False,
    )


def _username(value: object, wrong: FieldErrors) -> str:
    username = wrong.matching("username", value, patterns.USERNAME, USERNAME_RULE)
    if username is not None and (username in RESERVED or username.startswith("us-")):
        wrong.add("username", "is reserved")
    return username or ""


def _email(value: object, wrong: FieldErrors) -> str:
    if isinstance(value, str) and len(value) > 254:
        wrong.add("email", EMAIL_RULE)
        return ""
    return wrong.matching("email", value, patterns.EMAIL, EMAIL_RULE) or ""


def _password(value: object, wrong: FieldErrors) -> str | None:
    return None if value is None else wrong.matching("password", value, patterns.PASSWORD, PASSWORD_RULE)


def _check_taken(connection: Connection, account: Account, wrong: FieldErrors) -> None:
    """Raises Invalid for all that is wrong, what is taken among it."""
    if "username" not in wrong and accounts.find_account(connection, account.username):
        wrong.add("username", NAME_TAKEN)
    if "email" not in wrong and accounts.find_by_email(connection, account.email):
        wrong.add("email", NAME_TAKEN)
    wrong.check()


def _record(connection: Connection, principal: Principal, kind: EventType, account: Account, now: float) -> None:
    data = {"id": account.id, "username": account.username, "email": account.email, "admin": account.admin}
    events.record(connection, principal, kind, now, owner_id=account.id, data=data)
