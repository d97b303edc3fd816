"""How uvicorn serves: a limit on what it keeps of a request, errors in JSON, and streams that end at a stop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LONGEST_HEAD = 64 * 1024
_GRACE_SECONDS = 2
_WEBSOCKET_BYTES = 4096
"""The longest message of a client: none of ours has anything to say."""


def configure(app: ASGIApp, trusted_proxies: Sequence[str] = ()) -> uvicorn.Config:
    """Of others than the trusted proxies `X-Forwarded-For` and `X-Forwarded-Proto` are ignored."""
    return uvicorn.Config(
        app,
        http=HttpProtocol,
        loop="uvloop",
        lifespan="on",
        ws=WebSocketProtocol,
        ws_max_size=_WEBSOCKET_BYTES,
        ws_per_message_deflate=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn takes a handshake that was refused with an answer for one that was forgotten, and logs it as an error."""

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body"):
            self.handshake_complete = True


class HttpProtocol(HttpToolsProtocol):
    """Limits what the parser keeps of a head, and of trailers, until they end: no token is needed to send them."""

    _kept = 0
    """The bytes that came since the parser last was done with something; at most one read more than it keeps."""

    def data_received(self, data: bytes) -> None:
        self._kept += len(data)
        super().data_received(data)
        if self._kept > LONGEST_HEAD and not self.transport.is_closing():
            self.send_400_response(f"The head of the request has more than {LONGEST_HEAD} bytes")

    def _should_upgrade(self) -> bool:
        """Only a whole handshake is one; any other wish for another protocol is ignored, as HTTP allows."""
        return super()._should_upgrade() and any(name == b"sec-websocket-key" for name, _ in self.headers)

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing of ours is missing, and any client could fill the log with it."""

    def on_headers_complete(self) -> None:
        self._kept = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._kept = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._kept = 0
        super().on_message_complete()

    def shutdown(self) -> None:
        """Also end a stream, which would keep the server from stopping; only streams are sent in chunks."""
        cycle = self.cycle
        if cycle is not None and cycle.chunked_encoding and not cycle.response_complete:
            self.transport.write(b"0\r\n\r\n")
            self.transport.close()
        super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP reaches no endpoint, so this is the only answer that has no request id."""
        body = msgspec.json.encode({"error": msg})
        head = (
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
            f"Cache-Control: no-store\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
