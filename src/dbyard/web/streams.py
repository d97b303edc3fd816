"""Sending what a generator yields, part by part, until it ends or the client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from contextlib import suppress

from starlette.types import Receive, Send

from dbyard.errors import RequestError
from dbyard.web.replies import Parts, Pause


async def send_parts(
    parts: Parts, receive: Receive, send: Send, pool: Executor, check: Callable[[], Awaitable[object]]
) -> None:
    """Send each part as it comes. `check` is called after each pause; its RequestError ends the stream."""

    async def emit(part: bytes) -> None:
        await send({"type": "http.response.body", "body": part, "more_body": True})

    with suppress(RequestError):
        await pass_on(parts, receive, pool, emit, check)
    await send({"type": "http.response.body", "body": b""})


async def pass_on(
    parts: Parts,
    receive: Receive,
    pool: Executor,
    emit: Callable[[bytes], Awaitable[None]],
    check: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """Each step of `parts` runs in a thread of the pool; a pause holds none. Raises what `check` raises."""
    loop = asyncio.get_running_loop()
    disconnected = asyncio.create_task(_await_disconnect(receive))
    try:
        while not disconnected.done():
            part = await loop.run_in_executor(pool, next, parts, None)
            if part is None:
                break
            if not isinstance(part, Pause):
                await emit(part)
                continue
            await asyncio.wait({disconnected}, timeout=part.seconds)
            if check is not None:
                await check()
    finally:
        disconnected.cancel()
        with suppress(ValueError):  # a step that still runs in its thread; it is dropped when that ends
            parts.close()


async def _await_disconnect(receive: Receive) -> None:
    """What a client sends meanwhile is read and dropped."""
    while (await receive())["type"] not in ("http.disconnect", "websocket.disconnect"):
        pass
