"""Tenants that write, whatever their technology: what is acknowledged is remembered, to be looked for later."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right

from dbyard import catalogue
from dbyard.recipes import SharedRecipe
from tests import tenants
from tests.e2e.platforms import wait_for
from tests.tenants import Tenant
from tests.tenants.mysql import connect as connect_mysql

__all__ = [
    "ERRORS",
    "ONE_OF_EACH_SERVER",
    "TENANTS",
    "Tenant",
    "Writer",
    "answers",
    "await_answer",
    "connect",
    "connect_mysql",
]

TENANTS = {slug: tenants.load(slug) for slug in catalogue.load().technologies if tenants.exists(slug)}
ONE_OF_EACH_SERVER = sorted(
    slug
    for slug, each in catalogue.load().technologies.items()
    if slug in TENANTS and not isinstance(each.default_version.recipe, SharedRecipe)
)
"""Technologies whose server is not another one's as well."""
ERRORS: tuple[type[Exception], ...] = (OSError, *(error for each in TENANTS.values() for error in each.ERRORS))


def connect(technology: str, url: str) -> Tenant:
    return TENANTS[technology].Tenant(url)


def answers(technology: str, url: str) -> bool:
    try:
        connect(technology, url).close()
    except ERRORS:
        return False
    return True


def await_answer(technology: str, url: str, seconds: float) -> None:
    wait_for(lambda: answers(technology, url), lambda: f"no {technology} answers", seconds)


class Writer:
    """Writes numbers one after the other until its server dies, or it is stopped.

    `lasting` are those that must never be lost.
    """

    def __init__(self, technology: str, url: str, first: int) -> None:
        self.acknowledged: list[int] = []
        self._times: list[float] = []
        self._delay = TENANTS[technology].DELAY
        self._tenant = connect(technology, url)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(first,))
        self._thread.start()

    def await_some(self, count: int = 50) -> None:
        """Until something was acknowledged, and for so long that it must outlive a kill."""
        wait_for(
            lambda: len(self.acknowledged) >= count and bool(self.lasting(time.monotonic())),
            lambda: f"only {len(self.acknowledged)} writes",
            30,
        )

    def lasting(self, killed: float) -> set[int]:
        """What must outlive a kill of the server at that moment, by the monotonic clock."""
        known = len(self._times)
        return set(self.acknowledged[: bisect_right(self._times, killed - self._delay) if self._delay else known])

    def stop(self) -> None:
        self._stopping.set()
        self.join()

    def join(self) -> None:
        """Its server is dead, or it was stopped, so it ends."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._tenant.close()

    def _run(self, number: int) -> None:
        while not self._stopping.is_set():
            try:
                self._tenant.write(number)
            except ERRORS:
                return
            self.acknowledged.append(number)
            self._times.append(time.monotonic())
            number += 1
