"""Waiting for a condition by polling."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll `condition` with growing pauses; False if it did not become true in time."""
    deadline, pause = time.monotonic() + seconds, 0.0005
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 1.2, 0.05)
    return True
