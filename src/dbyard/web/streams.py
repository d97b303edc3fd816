"""Sending a reply in parts, until it ends or the client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from starlette.types import Receive, Send

from dbyard.errors import RequestError
from dbyard.web.replies import Parts, Pause


async def send_parts(
    parts: Parts, receive: Receive, send: Send, pool: ThreadPoolExecutor, check: Callable[[], Awaitable[object]]
) -> None:
    """Send each part as it comes. `check` is called after each pause; its RequestError ends the stream."""
    loop = asyncio.get_running_loop()
    disconnected = asyncio.create_task(_await_disconnect(receive))
    try:
        with suppress(RequestError):
            while not disconnected.done():
                part = await loop.run_in_executor(pool, next, parts, None)
                if part is None:
                    break
                if isinstance(part, Pause):
                    await asyncio.wait({disconnected}, timeout=part.seconds)
                    await check()
                else:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        disconnected.cancel()
        with suppress(ValueError):  # a step that still runs in its thread; it is dropped when that ends
            parts.close()


async def _await_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
