"""Shares of the threads that answer requests."""

from __future__ import annotations

import asyncio

from dbyard.web.shares import Shares


def test_one_key_never_has_more_than_its_share() -> None:
    shares, at_once, most = Shares(2), 0, 0

    async def use(key: str) -> None:
        nonlocal at_once, most
        async with shares.hold(key):
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0)
            at_once -= 1

    async def use_all() -> None:
        await asyncio.gather(*(use("greedy") for _ in range(10)))

    asyncio.run(use_all())
    assert most == 2
    assert shares._gates == {}


def test_other_keys_do_not_wait() -> None:
    async def check() -> None:
        shares = Shares(1)
        async with shares.hold("greedy"):
            async with asyncio.timeout(30), shares.hold("modest"), shares.hold(""), shares.hold(""):
                pass
            assert set(shares._gates) == {"greedy"}

    asyncio.run(check())
