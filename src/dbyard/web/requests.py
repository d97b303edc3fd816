"""Bodies and query strings of requests: decoded strictly, and bounded in what they cost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NoReturn
from urllib.parse import parse_qsl

from starlette.types import Receive

from dbyard.errors import BadRequest, Invalid, TooLarge, UnsupportedMediaType

LIMIT = 1024 * 1024


class Disconnected(Exception):
    """The client has gone; nothing is answered."""


async def read_body(headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
    """The whole body; refuses one that is too large without reading it, or as soon as it turns out to be."""
    _check_type(headers)
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > LIMIT:
        _refuse_length()
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        body += message.get("body", b"")
        if len(body) > LIMIT:
            _refuse_length()
        if not message.get("more_body", False):
            return bytes(body)


def decode(body: bytes) -> dict[str, object]:
    """The JSON object that the body is."""
    try:
        text = body.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
        if "\\u" in text:
            # An escaped half of a surrogate pair is no character; it would fail wherever the text is written.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        _refuse_json("it is nested too deeply")
    except UnicodeError:
        _refuse_json("it is not valid UTF-8")
    except ValueError as error:
        _refuse_json(str(error) if text.strip() else "it is empty")
    if not isinstance(value, dict):
        _refuse_json("it should be an object")
    return value


def unwrap(fields: dict[str, object], key: str) -> dict[str, object]:
    """The object under `key`, or the fields themselves when a client sends them flat."""
    if key not in fields:
        return fields
    inner = fields[key]
    if not isinstance(inner, dict):
        raise Invalid({key: ["should be an object"]})
    return inner


def parse_query(query_string: bytes) -> dict[str, str]:
    """The first value of each name."""
    pairs = parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)
    return dict(reversed(pairs))


def _check_type(headers: Mapping[bytes, bytes]) -> None:
    """JSON in UTF-8 only; a client that does not say what it sends is taken to send that.

    Of an empty body the type says nothing: axios calls it a form when its caller gave none.
    """
    if headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in headers:
        return
    if headers.get(b"content-encoding", b"identity") != b"identity":
        raise UnsupportedMediaType("The body should not be compressed")
    kind = headers.get(b"content-type")
    if kind is None:
        return
    media, *parameters = kind.decode("latin-1").lower().split(";")
    charsets = [
        value.strip(' "') for name, _, value in (each.partition("=") for each in parameters) if "charset" in name
    ]
    if media.strip() != "application/json" or any(charset not in ("utf-8", "utf8") for charset in charsets):
        raise UnsupportedMediaType("The content type should be application/json, in UTF-8")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {json.dumps(twice)} is there twice")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON value")


def _refuse_json(reason: str) -> NoReturn:
    raise BadRequest(f"There was a problem in the JSON you submitted: {reason}") from None


def _refuse_length() -> NoReturn:
    raise TooLarge(f"The body should have at most {LIMIT} bytes")
