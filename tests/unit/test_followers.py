"""Shares of those who follow: of one path, of an account, and of all."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from dbyard.errors import TooManyRequests
from dbyard.web import followers
from dbyard.web.followers import Followers


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followers, "MOST_OF_ONE", 2)
    monkeypatch.setattr(followers, "MOST_OF_ACCOUNT", 3)
    monkeypatch.setattr(followers, "MOST", 5)


def follow(open_ones: ExitStack, counted: Followers, *asked: tuple[str, str]) -> int:
    """How many of them are let in."""
    for number, each in enumerate(asked):
        try:
            open_ones.enter_context(counted.count(*each))
        except TooManyRequests:
            return number
    return len(asked)


@pytest.mark.parametrize(
    ("asked", "let_in"),
    [
        ([("/a", "ann")] * 3, 2),
        ([("/a", "ann"), ("/b", "ann"), ("/c", "ann"), ("/d", "ann")], 3),
        ([(f"/{number}", f"account-{number}") for number in range(6)], 5),
        ([("/a", "ann"), ("/a", "bob"), ("/b", "bob")], 3),
    ],
)
def test_so_many_and_no_more(asked: list[tuple[str, str]], let_in: int) -> None:
    counted = Followers()
    for _ in range(2):  # the first ones have ended
        with ExitStack() as open_ones:
            assert follow(open_ones, counted, *asked) == let_in
    assert counted._open.total() == 0
