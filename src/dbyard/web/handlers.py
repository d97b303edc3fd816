"""Handlers that only call a use case and encode its result, made from the two; and answers that are kept encoded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from dbyard.model import Principal
from dbyard.service import Service
from dbyard.service.authorization import visibility
from dbyard.web.routes import Answer, Call, Handler

T = TypeVar("T")


def _nothing(_result: object) -> None:
    return None


def for_service(use_case: Callable[[Service], T], encode: Callable[[T], Answer]) -> Handler:
    """What is the same for every caller."""
    return lambda call: encode(use_case(call.service))


def for_principal(use_case: Callable[[Service, Principal], T], encode: Callable[[T], Answer]) -> Handler:
    return lambda call: encode(use_case(call.service, call.principal))


def for_path(
    name: str, use_case: Callable[[Service, Principal, str], T], encode: Callable[[T], Answer] = _nothing
) -> Handler:
    """The use case gets the value of the path parameter `name`."""
    return lambda call: encode(use_case(call.service, call.principal, call.path[name]))


def authorize(name: str, use_case: Callable[[Service, Principal, str], object]) -> Callable[[Call], object]:
    """For `Method.authorize`: the use case raises what the caller is told before its body is looked at."""
    return lambda call: use_case(call.service, call.principal, call.path[name])


def cached(name: str, handler: Handler, *, timely: bool = False) -> Handler:
    """The handler's answer as bytes, kept until the store changes, for all who see the same databases.

    A `timely` one also changes with time, and is kept for the rest of a second only.
    """

    def answer(call: Call) -> bytes:
        second = int(call.service.clock()) if timely else 0
        key = (name, second, *visibility(call.principal), *call.path.values())
        return call.service.store.cached(key, lambda _connection: msgspec.json.encode(handler(call)))

    return answer
