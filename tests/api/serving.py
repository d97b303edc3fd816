"""The application behind a real port, as the platform serves it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from dbyard.web.protocol import configure


class Server(uvicorn.Server):
    """Runs in a thread; `started_up` is set once it accepts requests."""

    def __init__(self, app: ASGIApp, trusted_proxies: Sequence[str] = ()) -> None:
        super().__init__(configure(app, trusted_proxies))
        self.started_up = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.run, kwargs={"sockets": [self.listener]})

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.started_up.set()

    def stop(self) -> None:
        """It only returns if every connection has ended."""
        self.should_exit = True
        self.thread.join()
        self.listener.close()


@contextmanager
def serving(app: ASGIApp, trusted_proxies: Sequence[str] = ()) -> Iterator[Server]:
    server = Server(app, trusted_proxies)
    server.thread.start()
    server.started_up.wait()
    try:
        yield server
    finally:
        server.stop()
