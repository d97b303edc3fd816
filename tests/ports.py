"""Ports that this process of the tests has for itself, whoever else runs tests on the machine.

A process takes a block of them by binding its first one, which nothing else does; the kernel gives it back when the
process ends. All blocks lie below the ports that the kernel hands out by itself.
"""

from __future__ import annotations

import socket
from functools import cache

BLOCKS = range(10_000, 30_000, 500)

# Parts of a block.
BUCKETS = slice(2, 10)
"""Of gateways to buckets."""
CLAIMS = slice(10, 100)
"""Of tests that name ports."""
RUNTIME = slice(100, 120)
HOMES = slice(120, 132)
"""Just enough for six servers."""
CLOSED = slice(132, 140)
"""Nothing ever listens there but what a test itself starts."""
LAUNCHED = slice(140, 240)
"""Of servers without a platform, two each."""
PLATFORMS = slice(240, 500)


def own(part: slice) -> range:
    """This process's ports for one use."""
    return _block()[0][part]


def bounds(part: slice) -> tuple[int, int]:
    """The first and the last of them, as a platform is told."""
    found = own(part)
    return found.start, found.stop - 1


@cache
def _block() -> tuple[range, socket.socket]:
    for first in BLOCKS:
        door = socket.socket()
        try:
            door.bind(("127.0.0.1", first))
        except OSError:
            door.close()
            continue
        return range(first, first + BLOCKS.step), door
    raise RuntimeError(f"no block of ports is free between {BLOCKS.start} and {BLOCKS.stop}")
