"""Bodies that are read as they come, by a handler in a thread of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from queue import SimpleQueue

from starlette.types import Receive

from dbyard.errors import UnsupportedMediaType
from dbyard.web.requests import Disconnected

MEDIA = "application/octet-stream"
_HELD = 16
"""Pieces that wait for the handler; a client that is faster waits."""
_SILENCE = 60.0
"""Seconds after which a client that sends nothing is gone, and for which one may be slower than this:"""
_LEAST_RATE = 4096.0
"""Bytes a second."""


class Upload:
    """The body of one request: `fill` runs on the loop, `pieces` in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pieces: SimpleQueue[bytes | None] = SimpleQueue()
        self._room = asyncio.Semaphore(_HELD)

    async def fill(self, receive: Receive) -> None:
        """Take what the client sends. Whatever ends it early ends the handler's reading as well."""
        try:
            received, waited = 0, 0.0
            more = True
            while more:
                await self._room.acquire()
                began = time.monotonic()
                async with asyncio.timeout(_SILENCE):
                    message = await receive()
                waited += time.monotonic() - began
                if message["type"] == "http.disconnect":
                    raise Disconnected
                body, more = message.get("body", b""), message.get("more_body", False)
                received += len(body)
                if waited > _SILENCE and received < _LEAST_RATE * waited:
                    raise Disconnected
                if body:
                    self._pieces.put(body)
                else:
                    self._room.release()
            self._pieces.put(b"")
        except (Disconnected, TimeoutError):
            self._pieces.put(None)
        except asyncio.CancelledError:
            self._pieces.put(None)
            raise

    def pieces(self) -> Iterator[bytes]:
        """Raises Disconnected where the client, or this platform, has gone before all was there."""
        while piece := self._pieces.get():
            with suppress(RuntimeError):  # the loop is closed: then the next piece is the end
                self._loop.call_soon_threadsafe(self._room.release)
            yield piece
        if piece is None:
            raise Disconnected


def check_type(headers: Mapping[bytes, bytes]) -> None:
    """A browser's form is no dump: it would be kept with what surrounds it."""
    media = headers.get(b"content-type", MEDIA.encode()).decode("latin-1").lower().partition(";")[0].strip()
    if media.startswith("multipart/"):
        raise UnsupportedMediaType(f"The body should be the dump itself, as {MEDIA}")
