"""How many follow something at once, by a stream or a websocket: each asks for news every second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from dbyard.errors import TooManyRequests

MOST = 200
"""In all."""
MOST_OF_ACCOUNT = 50
MOST_OF_ONE = 20
"""Of one path."""


class Followers:
    """Used by one thread only."""

    def __init__(self) -> None:
        self._open = Counter[str]()

    @contextmanager
    def count(self, path: str, account_id: str) -> Iterator[None]:
        """One more until the end of the block; raises TooManyRequests."""
        limits = {"": MOST, path: MOST_OF_ONE, account_id: MOST_OF_ACCOUNT}
        if any(self._open[key] >= most for key, most in limits.items()):
            raise TooManyRequests("Too many follow a log already: end one first", headers={"Retry-After": "10"})
        self._open.update(limits.keys())
        try:
            yield
        finally:
            self._open.subtract(limits.keys())
            self._open = +self._open  # forgets those of nobody
