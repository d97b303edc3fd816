"""Authentication: which account a token, a JWT or a password belongs to, and the JWTs that the platform signs."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
from msgspec import Struct

from dbyard import secrets
from dbyard.errors import ConfigError, Unauthorized
from dbyard.model import Account, EventType, Principal, Project, Scope, Token
from dbyard.service import Service
from dbyard.service.accounts.tokens import event_data
from dbyard.store import Connection, Store, accounts, events, projects, tokens
from dbyard.store.tokens import TokenOwner

FIRST_PROJECT = "pr-82a3cac5-9b25-473e-b33d-6272b87e636f"
"""The id of the first account's default project: the one in the API documentation's examples, so that they work as they
stand. Ids need to be unique within a platform only."""
JWT_SECONDS = 3600
_FIRST = "first"
"""The name of the token in `HOME/admin-token`."""

LOG_LINK_SECONDS = 300
BACKUP_LINK_SECONDS = 3600

_USER, _DATABASE, _LOGS = "user", "database", "logs"
"""What a JWT is for: the whole API, the Database API of one database, or a link to that database's log."""
_LONGEST_TOKEN = 4096


def bootstrap(service: Service, save: Callable[[str], None]) -> str | None:
    """Make sure that an administrator can log in: the account `admin`, its default project and a token.

    Returns the token when one had to be made: also when the account has no unrestricted token any more. `save` gets it
    before it is valid, so a process that is killed in between leaves a worthless token, not a lost one.
    """
    now = service.clock()
    with service.store.read() as connection:
        admin = accounts.find_account(connection, "admin")
        if admin and any(_is_unrestricted(token, now) for token in tokens.list_all(connection, admin.id)):
            return None
    value = secrets.mint_token()
    save(value)
    with service.store.tx() as connection:
        admin = admin or _open_account(connection, now)
        token = _insert_first(connection, admin, value, now)
        events.record(connection, None, EventType.TOKEN_CREATED, now, owner_id=admin.id, data=event_data(token))
    return value


def replace_first_token(store: Store, save: Callable[[str], None], now: float) -> None:
    """Another first token, for an operator who has lost it; the old one is not valid any more.

    `save` gets it before it is valid. Raises ConfigError when the platform has never been started.
    """
    value = secrets.mint_token()
    with store.read() as connection:
        admin = accounts.find_account(connection, "admin")
    if admin is None:
        raise ConfigError("the platform has no administrator yet: start it, and its first token is made")
    save(value)
    with store.tx() as connection:
        for old in tokens.list_all(connection, admin.id):
            if old.name == _FIRST:
                tokens.delete(connection, old.id)
                events.record(connection, None, EventType.TOKEN_DELETED, now, owner_id=admin.id, data=event_data(old))
        token = _insert_first(connection, admin, value, now)
        events.record(connection, None, EventType.TOKEN_CREATED, now, owner_id=admin.id, data=event_data(token))


def _insert_first(connection: Connection, admin: Account, value: str, now: float) -> Token:
    token = Token(secrets.make_id(), _FIRST, now, None)
    tokens.insert(connection, admin.id, token, secrets.digest(value))
    return token


def authenticate(service: Service, token: str) -> Principal:
    """The principal of an API token or a JWT; raises Unauthorized.

    A JWT ends with its hour, and with the value of the API token that it was made for.
    """
    return _authenticate(service, token, _by_jwt if token.count(".") == 2 else _by_api_token)


def authenticate_api_token(service: Service, token: str) -> Principal:
    """The principal of an API token; raises Unauthorized, also for a JWT."""
    return _authenticate(service, token, _by_api_token)


def authenticate_password(service: Service, name: str, password: str) -> Principal:
    """The principal with this username or e-mail address and this password; raises Unauthorized.

    It has no token and may only create one. The check takes some 50 ms, whether the name or the password is wrong.
    """
    with service.store.read() as connection:
        account, hashed = accounts.find_login(connection, name) or (None, None)
    if not secrets.check_password(hashed, password) or account is None:
        raise Unauthorized("The username or the password is not valid")
    return Principal(account, "")


def exchange(service: Service, principal: Principal) -> str:
    """A JWT that may do what the principal's API token may, for one hour at most."""
    return _sign(service, principal, _USER, None, JWT_SECONDS)


def sign_database_token(service: Service, principal: Principal, database_id: str) -> str:
    """A JWT for the Database API of one database, which the caller has authorized."""
    return _sign(service, principal, _DATABASE, database_id, JWT_SECONDS)


def sign_log_link(service: Service, principal: Principal, database_id: str) -> str:
    """A JWT that only shows the log of one database, which the caller has authorized; good for five minutes."""
    return _sign(service, principal, _LOGS, database_id, LOG_LINK_SECONDS)


def authenticate_log_link(service: Service, token: str, opened_at: float | None = None) -> Principal:
    """The principal that made the link, with the link's database; raises Unauthorized.

    One that was opened in time goes on (`opened_at`), but like any link only as long as the API token behind it is
    valid.
    """
    session = _load(service, token, _by_log_link)
    now = service.clock()
    if session.ends_at <= (now if opened_at is None else opened_at) or _end(session.principal) <= now:
        raise Unauthorized("The link has expired")
    return session.principal


def sign_backup_link(service: Service, principal: Principal, database_id: str, backup_id: str) -> str:
    """A JWT that only shows the content of one backup, of a database which the caller has authorized; for an hour."""
    return _sign(service, principal, _audience_of(backup_id), database_id, BACKUP_LINK_SECONDS)


def authenticate_backup_link(service: Service, token: str, backup_id: str) -> Principal:
    """The principal that made the link, with the backup's database; raises Unauthorized."""
    if len(token) > _LONGEST_TOKEN:
        raise Unauthorized("The link is not valid")
    with service.store.read() as connection:
        session = _by_claims(service, connection, token, (_audience_of(backup_id),))
    if min(session.ends_at, _end(session.principal)) <= service.clock():
        raise Unauthorized("The link has expired")
    return session.principal


def touch(service: Service, principal: Principal) -> None:
    """Note that the token was used."""
    with service.store.tx() as connection:
        tokens.touch(connection, principal.token_id, service.clock())


def _is_unrestricted(token: Token, now: float) -> bool:
    lasts = token.expires_at is None or token.expires_at > now
    return token.scope is Scope.ADMIN and token.project_id is None and lasts


def _open_account(connection: Connection, now: float) -> Account:
    admin = Account(f"us-{uuid.uuid4()}", "admin", "admin@localhost", admin=True)
    accounts.insert_account(connection, admin, now)
    projects.insert(connection, Project(FIRST_PROJECT, admin.id, "default", True, now, now))
    return admin


# ---- tokens -----------------------------------------------------------------------------------------------------


class _Claims(Struct, frozen=True):
    """What a JWT of ours says: the account and the API token that it is for, and that token's value as it was then."""

    sub: str
    tid: str
    ver: str
    aud: str
    exp: float
    db: str | None = None


@dataclass(frozen=True, slots=True)
class _Session:
    principal: Principal
    ends_at: float


_Read = Callable[[Service, Connection, str], _Session]


def _authenticate(service: Service, token: str, read: _Read) -> Principal:
    session = _load(service, token, read)
    if session.ends_at <= service.clock():
        raise Unauthorized("The token has expired")
    return session.principal


def _load(service: Service, token: str, read: _Read) -> _Session:
    # Wrong tokens raise, so they cannot fill the cache; the end is checked for every request.
    if len(token) > _LONGEST_TOKEN:
        raise Unauthorized("The token is not valid")
    return service.store.cached((read, secrets.digest(token)), lambda connection: read(service, connection, token))


def _by_api_token(_service: Service, connection: Connection, token: str) -> _Session:
    owner = tokens.find_owner(connection, secrets.digest(token))
    if owner is None:
        raise Unauthorized("The token is not valid")
    return _Session(owner.principal, _end(owner.principal))


def _by_jwt(service: Service, connection: Connection, token: str) -> _Session:
    return _by_claims(service, connection, token, (_USER, _DATABASE))


def _by_log_link(service: Service, connection: Connection, token: str) -> _Session:
    return _by_claims(service, connection, token, (_LOGS,))


def _audience_of(backup_id: str) -> str:
    return f"backup {backup_id}"


def _by_claims(service: Service, connection: Connection, token: str, audiences: Sequence[str]) -> _Session:
    claims = _read(service.box.verify(token, audiences))
    owner = tokens.owner_of(connection, claims.tid)
    if owner is None or _version(owner) != claims.ver:
        raise Unauthorized("The token is not valid any more: the API token that it was made for is revoked")
    return _Session(replace(owner.principal, database_id=claims.db), min(claims.exp, _end(owner.principal)))


def _read(said: Mapping[str, object] | None) -> _Claims:
    try:
        claims = msgspec.convert(said, _Claims)
    except msgspec.ValidationError:
        raise Unauthorized("The token is not valid") from None
    if (claims.aud == _USER) != (claims.db is None):
        raise Unauthorized("The token is not valid")
    return claims


def _sign(service: Service, principal: Principal, audience: str, database_id: str | None, seconds: int) -> str:
    owner = service.store.cached(
        ("token owner", principal.token_id), lambda connection: tokens.owner_of(connection, principal.token_id)
    )
    if owner is None:
        raise Unauthorized("The token is not valid")
    now = service.clock()
    claims = {
        "sub": principal.account.id,
        "tid": principal.token_id,
        "ver": _version(owner),
        "iat": int(now),
        "exp": int(min(now + seconds, _end(principal))),
    }
    return service.box.sign(audience, claims | ({"db": database_id} if database_id else {}))


def _end(principal: Principal) -> float:
    return math.inf if principal.expires_at is None else principal.expires_at


def _version(owner: TokenOwner) -> str:
    """Tells a token's value from the ones before it, and nothing of what they are."""
    return owner.digest.hex()[:16]
