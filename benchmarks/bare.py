"""The floor of a read: a bare Starlette route that encodes one answer with msgspec, on the platform's uvicorn settings.

`python -m benchmarks.bare PORT FILE`: the file holds an answer of the platform, which then is the answer here.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.places import free_port, scratch
from dbyard import wire

Handler = Callable[[Request], Coroutine[None, None, Response]]


@contextmanager
def bare(answer: bytes) -> Iterator[int]:
    """A server that answers the same bytes at every path of databases; its port."""
    with scratch() as directory:
        file = directory / "answer.json"
        file.write_bytes(answer)
        argv = [sys.executable, "-m", "benchmarks.bare", str(port := free_port()), str(file)]
        with subprocess.Popen(argv) as process:
            try:
                yield port
            finally:
                process.terminate()


def serve(port: int, answer: bytes) -> None:
    kind = wire.DatabasesAnswer if answer.startswith(b'{"databases"') else wire.DatabaseAnswer
    value: msgspec.Struct = msgspec.json.decode(answer, type=kind)
    assert msgspec.json.encode(value) == answer

    async def handle(_request: Request) -> Response:
        return Response(msgspec.json.encode(value), media_type="application/json")

    app = Starlette(routes=[Route("/v1/databases", handle), Route("/v1/databases/{database}", handle)])
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


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]).read_bytes())
