"""Replies: a status, headers, and a body that is whole or comes in parts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

JSON = "application/json"

Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Pause:
    """A stream has nothing to send for so many seconds; it holds no thread meanwhile."""

    seconds: float


Parts = Generator[bytes | Pause, None, None]


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer in parts. Each step of `parts` runs in a thread and never waits: it yields a `Pause` instead."""

    parts: Parts
    media: str


@dataclass(frozen=True, slots=True)
class Waiting(Generic[T]):
    """An answer that may take so many seconds, and holds no thread meanwhile.

    `poll` runs in a thread again and again and never waits. It returns None until there is an answer; called with True
    it is called for the last time, and has to answer.
    """

    poll: Callable[[bool], T | None]
    seconds: float
    pause: float = 0.0
    """Seconds in which there is no answer for certain."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes | Parts
    headers: Headers
    account_id: str = ""
    """Who asked, of a stream."""


def headers_for(media: str) -> tuple[tuple[bytes, bytes], ...]:
    # Answers hold secrets and change at any moment, so no cache on the way may keep them.
    return ((b"content-type", media.encode()), (b"cache-control", b"no-store"))
