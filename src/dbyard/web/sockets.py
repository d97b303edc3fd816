"""Websockets: they go one way, to a client that follows something. Their number and their length are bounded."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from starlette.types import Receive, Scope, Send

from dbyard.errors import NotFound, RequestError, TooManyRequests
from dbyard.web.authentication import ANONYMOUS
from dbyard.web.errors import internal_error, reply_to
from dbyard.web.replies import Parts, Reply
from dbyard.web.routes import Call, SocketHandler
from dbyard.web.streams import pass_on

if TYPE_CHECKING:
    from dbyard.web.endpoint import Shared

logger = logging.getLogger(__name__)

MOST = 200
"""Open at once in all."""
MOST_OF_ONE = 10
"""Open at once for one thing that is followed."""
LONGEST_SECONDS = 3600.0
"""Then it is closed; a client that wants more opens another one."""

_NORMAL, _INTERNAL_ERROR = 1000, 1011


class SocketEndpoint:
    """One path that answers websockets, as an ASGI application. Without a handler it refuses them."""

    def __init__(self, shared: Shared, handler: SocketHandler | None, open_sockets: Counter[str]) -> None:
        self._shared = shared
        self._handler = handler
        self._open = open_sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        try:
            with self._counted(scope["path"]):
                parts = await self._begin(scope)
                await send({"type": "websocket.accept"})
                await self._follow(parts, receive, send)
        except RequestError as error:
            await _refuse(send, reply_to(error))
        except Exception:
            logger.exception("a websocket failed: %s", scope["path"])
            await _refuse(send, internal_error())

    @contextmanager
    def _counted(self, path: str) -> Iterator[None]:
        if self._handler is not None and (self._open[path] >= MOST_OF_ONE or self._open.total() >= MOST):
            raise TooManyRequests("Too many websockets are open: close one first")
        self._open[path] += 1
        try:
            yield
        finally:
            self._open[path] -= 1
            if not self._open[path]:
                del self._open[path]

    async def _begin(self, scope: Scope) -> Parts:
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
        return await asyncio.get_running_loop().run_in_executor(self._shared.pool, self._handler, call)

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


async def _refuse(send: Send, reply: Reply) -> None:
    """An HTTP answer instead of a websocket."""
    body = reply.body if isinstance(reply.body, bytes) else b""
    start = {"type": "websocket.http.response.start", "status": reply.status, "headers": list(reply.headers)}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": body})
