"""Authentication of requests: the one place where tokens, their scopes and the rate limit are checked."""

from __future__ import annotations

import asyncio
import base64
import binascii
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from dbyard.errors import Forbidden, Unauthorized
from dbyard.metrics import Metrics
from dbyard.model import Account, Principal, Scope
from dbyard.service import Service
from dbyard.service.accounts import authentication
from dbyard.web.rate_limit import RateLimit
from dbyard.web.routes import AuthScheme, Method

TOUCH_EVERY = 60.0
"""Seconds between two updates of the time at which a token was last used."""
PASSWORDS_AT_ONCE = 2
"""Checking one keeps a thread busy for some 50 ms, on purpose; the other threads stay free for other requests."""

ANONYMOUS = Principal(Account("", "nobody", "", admin=False), "")

_BEARER, _BASIC = 'Bearer realm="dbyard"', 'Basic realm="dbyard"'
_CHALLENGES = {AuthScheme.BEARER: _BEARER, AuthScheme.PASSWORD: f"{_BEARER}, {_BASIC}", AuthScheme.API_TOKEN: _BASIC}
_NEEDED = {
    AuthScheme.BEARER: "A bearer token is needed",
    AuthScheme.PASSWORD: "A bearer token is needed, or a username and its password by Basic authentication",
    AuthScheme.API_TOKEN: "An API token is needed, as the password of Basic authentication with an empty username",
}
_DATABASE_API = "/api/"

Headers = Mapping[bytes, bytes]


class Guard:
    def __init__(self, service: Service, metrics: Metrics, pool: ThreadPoolExecutor, limit: RateLimit | None) -> None:
        self._service = service
        self._metrics = metrics
        self._pool = pool
        self._limit = limit
        self._touched: dict[str, float] = {}
        self._passwords = asyncio.Semaphore(PASSWORDS_AT_ONCE)

    async def authenticate(
        self, method: Method | None, name: str, path: str, headers: Headers, address: str
    ) -> Principal:
        """The principal that sent the request, by the scheme of the method; by a bearer token if there is no method.

        Raises Unauthorized, Forbidden or TooManyRequests. Requests without a valid token count by their address.
        """
        auth = method.auth if method else AuthScheme.BEARER
        try:
            principal = await self.identify(auth, headers, address)
        except Unauthorized as error:
            self._reject(error, auth, headers, address)
            raise
        if principal.token_id:
            self._take(principal.token_id)
        if method is not None:
            _check_api(principal, path)
            _check_scope(principal, method.needed(name))
        self._touch(principal)
        return principal

    def allow_anonymous(self, address: str, *, limited: bool) -> Principal:
        if limited:
            self._take(address)
        return ANONYMOUS

    async def identify(self, auth: AuthScheme, headers: Headers, address: str) -> Principal:
        """The principal by the credentials alone; raises Unauthorized."""
        scheme, _, value = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        value = value.strip()
        scheme = scheme.lower() if value else ""
        if scheme == "bearer" and auth is not AuthScheme.API_TOKEN:
            return authentication.authenticate(self._service, value)
        if scheme != "basic" or auth is AuthScheme.BEARER:
            raise Unauthorized(_NEEDED[auth])
        username, password = _basic(value)
        if auth is AuthScheme.PASSWORD:
            return await self._check_password(username, password, address)
        if username:
            raise Unauthorized(_NEEDED[auth])
        return authentication.authenticate_api_token(self._service, password)

    async def _check_password(self, username: str, password: str, address: str) -> Principal:
        self._take(address)  # before the work; a wrong one counts once more
        async with self._passwords:
            check = asyncio.get_running_loop().run_in_executor
            return await check(self._pool, authentication.authenticate_password, self._service, username, password)

    def _reject(self, error: Unauthorized, auth: AuthScheme, headers: Headers, address: str) -> None:
        challenge = _CHALLENGES[auth]
        if headers.get(b"authorization"):
            self._metrics.rejected_tokens.inc()
            challenge = challenge.replace(_BEARER, f'{_BEARER}, error="invalid_token"')
        error.headers = {"WWW-Authenticate": challenge}
        self._take(address)

    def _take(self, key: str) -> None:
        if self._limit is not None:
            self._limit.take(key)

    def _touch(self, principal: Principal) -> None:
        """Note that the token is in use: beside the request, and not for every one."""
        now = time.monotonic()
        last = self._touched.get(principal.token_id)
        if principal.token_id and (last is None or now - last > TOUCH_EVERY):
            self._touched[principal.token_id] = now
            self._pool.submit(authentication.touch, self._service, principal)


def _basic(value: str) -> tuple[str, str]:
    try:
        username, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise Unauthorized("The Basic authentication is broken") from None
    return username, password


def _check_api(principal: Principal, path: str) -> None:
    if principal.database_id is not None and not path.startswith(_DATABASE_API):
        raise Forbidden("This token is good for the Database API of one database only: use an API token here")


def _check_scope(principal: Principal, needed: Scope) -> None:
    if needed is Scope.ADMIN and not principal.administers:
        raise Forbidden("Only an administrator may do this, with a token of the scope admin for all projects")
    if not principal.scope.covers(needed):
        raise Forbidden(f"This token has the scope {principal.scope}; this needs {needed}")
