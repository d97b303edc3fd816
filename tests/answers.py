"""Every answer of an application held to what `/openapi.json` says of it: no status, key or type beside those."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema_rs
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dbyard import catalogue
from dbyard.web.app import list_routes

Json = dict[str, Any]


class Checked:
    """An application in between; `faults` are the answers that are not as described."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.faults: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started: Message = {}
        body = bytearray()

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.update(message)
            elif message["type"] == "http.response.body":
                body.extend(message.get("body", b""))
            await send(message)

        await self._app(scope, receive, note)
        if scope["type"] == "http":
            path = scope["endpoint"].path if "endpoint" in scope else "(unknown)"
            headers = dict(started["headers"])
            fault = find_fault(scope["method"], path, started["status"], headers, bytes(body))
            if fault:
                self.faults.append(f"{scope['method']} {scope['path']}: {fault}")


def find_fault(method: str, path: str, status: int, headers: dict[bytes, bytes], body: bytes) -> str | None:
    """What is wrong with an answer of this method of this path of the route table."""
    described = _describe()["paths"].get(path)
    if described is None:
        return None  # /docs, or no route at all
    operation = described.get("get" if method == "HEAD" else method.lower())
    if operation is None:
        return None if status in (401, 405, 429) else f"{status} to a method that is not there"
    response = operation["responses"].get(str(status))
    if response is None:
        return f"{status} is not described: {body[:200]!r}"
    missing = [name for name in response["headers"] if name.lower().encode() not in headers]
    return f"{status} without {missing}" if missing else _find_in_body(method, path, status, response, headers, body)


def _find_in_body(
    method: str, path: str, status: int, response: Json, headers: dict[bytes, bytes], body: bytes
) -> str | None:
    if method == "HEAD" or "content" not in response:
        return f"{status} has a body: {body[:200]!r}" if body else None
    media = headers[b"content-type"].decode().partition(";")[0]
    if media not in response["content"]:
        return f"{status} is {media}"
    if media != "application/json":
        return None
    error = next(_validator(method.lower(), path, status).iter_errors(json.loads(body)), None)
    return f"{status}: {error.message} at {error.instance_path}: {body[:300]!r}" if error else None


@cache
def _describe() -> Json:
    routes = {route.path: route for route in list_routes(catalogue.load(), limited=True)}
    document: Any = routes["/openapi.json"].methods["GET"].handler
    described: Json = json.loads(document(None))
    _close(described["components"]["schemas"])
    return described


def _close(schema: Any) -> None:
    """Keys that are not described are not there."""
    if isinstance(schema, dict):
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for value in schema.values():
            _close(value)


@cache
def _validator(method: str, path: str, status: int) -> jsonschema_rs.Validator:
    described = _describe()
    content = described["paths"][path][method]["responses"][str(status)]["content"]["application/json"]
    schema = {**content["schema"], "components": described["components"]}
    return jsonschema_rs.validator_for({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
