"""Websockets: they go one way, to a client that follows something, and not for ever."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from dbyard.errors import NotFound, RequestError
from dbyard.web.authentication import ANONYMOUS
from dbyard.web.errors import internal_error, reply_to
from dbyard.web.replies import Parts, Reply
from dbyard.web.routes import Call, Route
from dbyard.web.streams import pass_on

if TYPE_CHECKING:
    from dbyard.web.endpoint import Shared

logger = logging.getLogger(__name__)

LONGEST_SECONDS = 3600.0
"""Then it is closed; a client that wants more opens another one."""

_NORMAL, _INTERNAL_ERROR = 1000, 1011


class SocketEndpoint:
    """One path that answers websockets, as an ASGI application. Without a handler it refuses them."""

    def __init__(self, shared: Shared, route: Route) -> None:
        self._shared = shared
        self._handler = route.socket
        self._owner = route.methods["GET"].owner if route.socket else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        try:
            call, parts = await self._begin(scope)
            with self._shared.followers.count(scope["path"], call.principal.account.id):
                await send({"type": "websocket.accept"})
                await self._follow(parts, receive, send)
        except RequestError as error:
            await self._refuse(scope, send, reply_to(error))
        except Exception:
            logger.exception("a websocket failed: %s", scope["path"])
            await self._refuse(scope, send, internal_error())

    async def _begin(self, scope: Scope) -> tuple[Call, Parts]:
        if self._handler is None:
            raise NotFound("Not found: this path has no websocket")
        self._shared.guard.allow_anonymous(scope["client"][0] if scope["client"] else "", limited=True)
        call = Call(
            self._shared.service,
            self._shared.metrics,
            ANONYMOUS,
            scope["path_params"],
            dict(scope["headers"]),
            scope["query_string"],
            b"",
        )
        if self._owner is not None:
            call.principal = self._owner(call)
        loop = asyncio.get_running_loop()
        async with self._shared.accounts.hold(call.principal.account.id):
            return call, await loop.run_in_executor(self._shared.pool, self._handler, call)

    async def _refuse(self, scope: Scope, send: Send, reply: Reply) -> None:
        """An HTTP answer instead of a websocket."""
        request_id = self._shared.request_id(dict(scope["headers"]).get(b"x-request-id"))
        headers = [*reply.headers, (b"x-request-id", request_id)]
        await send({"type": "websocket.http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": reply.body})

    async def _follow(self, parts: Parts, receive: Receive, send: Send) -> None:
        """Once it is accepted, an error can only close it."""

        async def emit(part: bytes) -> None:
            await send({"type": "websocket.send", "text": part.decode()})

        code = _NORMAL
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                await pass_on(parts, receive, self._shared.pool, emit)
        except TimeoutError:
            pass
        except OSError:
            return  # the client has gone
        except Exception:
            logger.exception("a websocket failed")
            code = _INTERNAL_ERROR
        with suppress(OSError, RuntimeError):  # it is closed already
            await send({"type": "websocket.close", "code": code})
