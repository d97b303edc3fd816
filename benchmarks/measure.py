"""Samples of two ways to do the same work, taken in turn, so that noise hits both alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, slots=True)
class Pair:
    """What both took or reached, round by round."""

    ours: list[float] = field(default_factory=list)
    floor: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return median(self.ours) / median(self.floor)


def alternate(rounds: int, ours: Callable[[], float], floor: Callable[[], float]) -> Pair:
    """Ours first, then the floor first, and so on; a first round of each warms up and does not count."""
    pair = Pair()
    ours(), floor()
    for number in range(rounds):
        turns = [(ours, pair.ours), (floor, pair.floor)]
        for measure, samples in turns if number % 2 == 0 else reversed(turns):
            samples.append(measure())
    return pair


def timed(work: Callable[[], object]) -> float:
    """Seconds that the work takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def wait_until(condition: Callable[[], bool], seconds: float, what: str, pause: float = 0.05) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(pause)
