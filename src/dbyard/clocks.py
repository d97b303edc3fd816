"""Time that runs on evenly, whatever is done to the machine's clock.

Stamps (when something was created, done, ends) are of the machine's clock. Waits and deadlines are not, because
that clock may jump by days when it is set.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def steady_clock() -> Callable[[], float]:
    """Unix time as it is now, which then goes on with the seconds since the machine was booted, sleep included."""
    begun = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return lambda: begun + time.clock_gettime(time.CLOCK_BOOTTIME)
