"""An HTTP client in a process of its own: as many requests as the server answers, over connections kept alive.

Each line on stdin is one run, as JSON (see `Run`); the answer on stdout is how many requests were answered a second.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import msgspec
import uvloop

CONNECTIONS = 8
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


class Run(msgspec.Struct):
    port: int
    path: str
    token: str
    seconds: float
    status: int = 200


class Load:
    """The client's process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def measure(self, run: Run) -> float:
        """Requests a second."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(msgspec.json.encode(run) + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the client has ended")
        return float(answer)


@contextmanager
def load() -> Iterator[Load]:
    argv = [sys.executable, "-m", "benchmarks.load"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield Load(process)
        finally:
            process.kill()


class _Connection(asyncio.Protocol):
    """One request after the other, until `until`."""

    def __init__(self, run: Run, until: float) -> None:
        self._request = f"GET {run.path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {run.token}\r\n\r\n".encode()
        self._expected = f"HTTP/1.1 {run.status} ".encode()
        self._until = until
        self._buffer = b""
        self.answered = 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own kind does not inherit from it
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        found = _LENGTH.search(self._buffer, 0, head)
        if not found or not self._buffer.startswith(self._expected):
            self._fail(RuntimeError(self._buffer.decode(errors="replace")))
        elif len(self._buffer) == head + 4 + int(found.group(1)):
            self._answered()

    def connection_lost(self, _reason: Exception | None) -> None:
        self._fail(ConnectionError("the server has closed the connection"))

    def _answered(self) -> None:
        self._buffer = b""
        self.answered += 1
        if time.monotonic() < self._until:
            self._transport.write(self._request)
        elif not self.done.done():
            self.done.set_result(None)

    def _fail(self, reason: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(reason)


async def _measure(run: Run) -> float:
    loop = asyncio.get_running_loop()
    started = time.monotonic()
    opened = [
        await loop.create_connection(lambda: _Connection(run, started + run.seconds), "127.0.0.1", run.port)
        for _ in range(CONNECTIONS)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in opened))
    for transport, _ in opened:
        transport.close()
    return sum(protocol.answered for _, protocol in opened) / (time.monotonic() - started)


def main() -> None:
    for line in sys.stdin.buffer:
        print(uvloop.run(_measure(msgspec.json.decode(line, type=Run))), flush=True)


if __name__ == "__main__":
    main()
