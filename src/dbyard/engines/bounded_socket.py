"""A connection whose peer may be frozen, slow or endless: an answer has a time limit and a size limit."""

from __future__ import annotations

import socket
import time
from typing import Any

from dbyard.model import MIB, Address

_MOST_BYTES = 16 * MIB
"""More than a server of a thousand tables or indices tells of itself."""


class BoundedSocket(socket.socket):
    """Reading raises OSError when an answer is not complete `seconds` after the request, or too large.

    A timeout of Python's limits each read alone: a byte a second would never end.
    """

    seconds: float

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send a request; its answer is awaited from now on."""
        self.begin(self.seconds)
        self.settimeout(self.seconds)
        super().sendall(data, flags)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        self.settimeout(max(0.001, self._deadline - time.monotonic()))
        received = super().recv_into(buffer, nbytes, flags)
        self._left -= received
        if self._left < 0:
            raise OSError(f"the answer is larger than {_MOST_BYTES // MIB} MB")
        return received

    def begin(self, seconds: float) -> None:
        """An answer is awaited for so many seconds from now on, and after each request."""
        self.seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._left = _MOST_BYTES


def open_socket(address: Address, seconds: float) -> BoundedSocket:
    """Raises OSError where nobody listens."""
    plain = socket.create_connection((address.host, address.port), timeout=seconds)
    bounded = BoundedSocket(fileno=plain.detach())
    bounded.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bounded.begin(seconds)
    return bounded
