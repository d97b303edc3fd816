"""The floor of a read: a bare Starlette route that encodes one answer with msgspec, on the platform's uvicorn settings.

`python -m benchmarks.bare PORT FILE`: the file holds an answer of the platform, which then is the answer here.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.measure import wait_until
from benchmarks.places import free_port, scratch
from dbyard import wire

Handler = Callable[[Request], Coroutine[None, None, Response]]


@contextmanager
def bare(answer: bytes) -> Iterator[int]:
    """A server that answers the same bytes at every path; its port."""
    with scratch() as directory:
        file = directory / "answer.json"
        file.write_bytes(answer)
        argv = [sys.executable, "-m", "benchmarks.bare", str(port := free_port()), str(file)]
        with subprocess.Popen(argv) as process:
            try:
                wait_until(lambda: _listens(port), 20, "the bare route answers")
                yield port
            finally:
                process.terminate()


def _listens(port: int) -> bool:
    try:
        HTTPConnection("127.0.0.1", port).connect()
    except OSError:
        return False
    return True


def serve(port: int, answer: bytes) -> None:
    value: object = msgspec.json.decode(answer, type=_kind(answer))
    assert msgspec.json.encode(value) == answer

    async def handle(_request: Request) -> Response:
        return Response(msgspec.json.encode(value), media_type="application/json")

    paths = ("/v1/databases", "/v1/databases/{database}", "/{path:path}")
    app = Starlette(routes=[Route(path, handle, methods=["GET", "POST"]) for path in paths])
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        http="httptools",
        loop="uvloop",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )


def _kind(answer: bytes) -> Any:
    """The struct of an answer on databases, so that it is encoded as ours is; anything else is as quick as a dict."""
    if answer.startswith(b'{"databases"'):
        return wire.DatabasesAnswer
    return wire.DatabaseAnswer if answer.startswith(b'{"database":{"id"') and b'"app":{' in answer else Any


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]).read_bytes())
