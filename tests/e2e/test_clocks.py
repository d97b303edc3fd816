"""The machine's clock is set while operations wait, and while the platform is away: they go on as if it was not."""

from __future__ import annotations

import pytest

from dbyard.model import DAY
from tests.e2e.platforms import Platform, kill_processes

NAME = "timed-redis-db"
JUMPING = ("-m", "tests.e2e.jumping_clock", "serve")
SECONDS = 60.0
"""Much less than a day; a heal is put off by half a minute at most."""


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_a_heal_that_is_put_off_comes_in_time(fresh: Platform, jump: float, restart: bool) -> None:
    clock = fresh.home.with_name("clock")
    clock.write_text("0")
    fresh.start(program=JUMPING, CLOCK=str(clock))
    connection = fresh.create(NAME, "redis")
    for _ in range(5):  # from the fourth on a heal waits for seconds
        kill_server(fresh, connection.port)
        fresh.await_operation(NAME, lambda latest: latest.status == "done", SECONDS)
    kill_server(fresh, connection.port)
    assert fresh.latest(NAME).status == "pending"
    if restart:
        fresh.kill()
    clock.write_text(str(jump))
    if restart:
        fresh.start(program=JUMPING, CLOCK=str(clock))
    fresh.await_operation(NAME, lambda latest: latest.kind == "heal" and latest.status == "done", SECONDS)
    assert fresh.await_usable(NAME, seconds=SECONDS) == connection


def kill_server(home: Platform, port: int) -> None:
    """Until the platform has seen it."""
    before = home.latest(NAME).id
    kill_processes([home.server(port)])
    home.await_operation(NAME, lambda latest: latest.id != before, SECONDS)
