"""A server that passes connections on to another one, and can stall: it accepts all, and answers nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Stalling:
    port: int
    _target: int
    _flows: threading.Event = field(default_factory=threading.Event)
    _open: list[socket.socket] = field(default_factory=list)

    def stall(self) -> None:
        """Connections stay open, also those that there are."""
        self._flows.clear()

    def go_on(self) -> None:
        """Connections that have waited are closed: what was to come there is lost."""
        stalled, self._open = self._open, []
        self._flows.set()
        for each in stalled:
            _close(each)

    def serve(self, listener: socket.socket) -> None:
        with suppress(OSError):  # it is closed
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._open += [client, server]
                for source, target in ((client, server), (server, client)):
                    threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(1 << 16):
                self._flows.wait()
                target.sendall(piece)
        _close(source)
        _close(target)


@contextmanager
def stalling(port: int, target: int) -> Iterator[Stalling]:
    with socket.create_server(("127.0.0.1", port)) as listener:
        made = Stalling(port, target)
        made.go_on()
        threading.Thread(target=made.serve, args=(listener,), daemon=True).start()
        try:
            yield made
        finally:
            made.go_on()
            listener.shutdown(socket.SHUT_RDWR)


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
