"""How many requests a minute a token, or an address without one, may send."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from dbyard.errors import TooManyRequests

_MOST_KEYS = 10_000


class RateLimit:
    """A bucket for each key that holds a minute's requests and fills up steadily. Used by one thread only."""

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = a_minute
        self._a_second = a_minute / 60
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        """How full a bucket was, and when; one that is missing is full."""

    def take(self, key: str) -> None:
        """Count a request. Raises TooManyRequests, with the seconds to wait, when the key's bucket is empty."""
        now = self._clock()
        level = self._level(key, now)
        if level < 1:
            seconds = math.ceil((1 - level) / self._a_second)
            raise TooManyRequests(
                f"More than {self._size} requests a minute; try again in {seconds} s",
                headers={"Retry-After": str(seconds)},
            )
        if key not in self._buckets and len(self._buckets) >= _MOST_KEYS:
            self._forget(now)
        self._buckets[key] = (level - 1, now)

    def _level(self, key: str, now: float) -> float:
        level, since = self._buckets.get(key, (float(self._size), now))
        return min(self._size, level + (now - since) * self._a_second)

    def _forget(self, now: float) -> None:
        """Those that are full again, which changes nothing; when that is none, the half that came first."""
        full = [key for key in self._buckets if self._level(key, now) >= self._size]
        for key in full or list(self._buckets)[: _MOST_KEYS // 2]:
            del self._buckets[key]
