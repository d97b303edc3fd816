"""The rate limit's buckets."""

from __future__ import annotations

import pytest

from dbyard.errors import TooManyRequests
from dbyard.web.rate_limit import RateLimit
from tests.conftest import Clock


def taken(limit: RateLimit, key: str, times: int) -> int:
    """How many of so many requests go through."""
    through = 0
    for _ in range(times):
        try:
            limit.take(key)
            through += 1
        except TooManyRequests:
            pass
    return through


def test_fills_up_steadily_and_never_over(clock: Clock) -> None:
    limit = RateLimit(60, clock)
    assert taken(limit, "a", 100) == 60
    clock.advance(10)
    assert taken(limit, "a", 100) == 10
    clock.advance(3600)
    assert taken(limit, "a", 100) == 60


def test_says_how_long_to_wait(clock: Clock) -> None:
    limit = RateLimit(2, clock)
    taken(limit, "a", 2)
    with pytest.raises(TooManyRequests) as caught:
        limit.take("a")
    assert caught.value.headers == {"Retry-After": "30"}
    clock.advance(30)
    limit.take("a")


def test_keeps_a_bounded_number_of_keys(clock: Clock) -> None:
    limit = RateLimit(60, clock)
    taken(limit, "greedy", 100)
    for number in range(25_000):
        clock.advance(0.0005)
        limit.take(f"address {number}")
    assert len(limit._buckets) <= 10_000
    assert taken(limit, "greedy", 100) < 60
