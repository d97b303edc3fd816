"""Running spares: servers that were started beforehand, for nobody, so that a create only has to claim one.

Who has created a database may create another like it: of each technology it is the version and the plan that were
created last. Each holds memory while it waits, so there are none where memory is scarce, and none of a technology that
nobody has used yet.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dbyard.engines import Engine
from dbyard.errors import DbyardError, NotReady, TemporaryError
from dbyard.model import (
    MIB,
    Address,
    Allocation,
    Capacity,
    Credentials,
    Desired,
    InstanceState,
    Plan,
    Release,
    Restriction,
    Technology,
)
from dbyard.operations import Context
from dbyard.reconciler.loop import loop
from dbyard.reconciler.spare_specs import credentials_of, engine_of, render_spare, yield_to_operations
from dbyard.runtimes import kind_of_spare
from dbyard.store import databases

log = logging.getLogger(__name__)

_PERIOD = 1.0
_READY_SECONDS, _ASK_AGAIN = 120.0, 0.2
_LOG_LINES = 10
_AFTER_REFUSAL = 30.0
_FIRST_DELAY, _MOST_DELAY = 30.0, 1800.0
_FORGOTTEN = 3600.0
"""Seconds after which a failure is no sign of the next one any more."""
_LEFT, _LEAST_LEFT = 0.10, 0.05
"""Of the machine's memory: what a new spare must leave when it uses all it may, and below what all are given back."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    technology: Technology
    plan: Plan
    release: Release

    @property
    def kind(self) -> str:
        return kind_of_spare(self.release, self.plan.name)

    @property
    def memory(self) -> int:
        return (self.plan.memory_mb + self.technology.overhead_mb) * MIB


@dataclass(slots=True)
class _Trouble:
    """What went wrong with spares of a kind: how often in a row, when last, and when to try again."""

    failures: int = 0
    failed_at: float = 0.0
    not_before: float = 0.0


class RunningSpares:
    def __init__(self, context: Context, stopping: threading.Event, count: int, is_busy: Callable[[], bool]) -> None:
        """`count` are kept of each server that can be given to a tenant while it runs."""
        self._context = context
        self._stopping = stopping
        self._count = count
        self._is_busy = is_busy
        self._created: dict[str, databases.Created] = {}
        """What was created last of each technology, also where it was deleted since."""
        self._trouble: dict[str, _Trouble] = {}
        self._refused: set[str] = set()
        self.threads = [loop("running-spares", stopping, self.run_once)]

    def start(self) -> None:
        if self._count and not self._context.spares.may_run():
            log.info("running_spares needs root and bubblewrap: no server is kept running for nobody")
            self._count = 0
        for thread in self.threads:
            thread.start()

    def run_once(self) -> float:
        """Discard what no create can or should have, then start at most one that is lacking."""
        wanted = {each.kind: each for each in self._list_wanted()}
        ready = self._discard_useless(wanted)
        for kind, each in wanted.items():
            labels = (each.release.technology, each.release.full_version)
            self._context.metrics.running_spares.labels(*labels).set(ready[kind])
        lacking = (each for kind, each in wanted.items() if ready[kind] < self._count and self._may_try(kind))
        if first := next(lacking, None):
            self._make(first)
        return _PERIOD

    def _list_wanted(self) -> Iterator[_Wanted]:
        """What was created last of each technology, of the servers that can be given away while they run."""
        if not self._count:
            return
        since = max((each.number for each in self._created.values()), default=0)
        with self._context.store.read() as connection:
            self._created |= databases.list_created_after(connection, since)
        for slug, created in self._created.items():
            technology = self._context.catalogue.technology(slug)
            plan = self._context.catalogue.plan(slug, created.plan) if technology else None
            if technology is None or plan is None or not _can_wait(technology, created.version):
                continue
            release = self._context.runtime.resolve(technology.type_name, created.version)
            if release is not None:
                yield _Wanted(technology, plan, release)

    # ---- what is there ------------------------------------------------------------------------------------------

    def _discard_useless(self, wanted: dict[str, _Wanted]) -> Counter[str]:
        """How many are left of each kind."""
        ready: Counter[str] = Counter()
        scarce = self._is_memory_scarce()
        for spare in self._context.spares.list(running=True):
            if spare.kind in wanted and not spare.alive:
                log.warning("a running spare (%s) has ended", spare.kind)
                self._put_off(spare.kind)
            elif spare.kind in wanted and ready[spare.kind] < self._count:
                if not scarce:
                    ready[spare.kind] += 1
                    continue
                self._refuse("a running spare (%s) is given back", spare.kind)
            self._discard(spare.id)
        return ready

    def _is_memory_scarce(self) -> bool:
        memory = self._context.host.memory()
        return memory.free < _LEAST_LEFT * memory.total

    def _refuse(self, message: str, kind: str) -> None:
        self._trouble.setdefault(kind, _Trouble()).not_before = time.monotonic() + _AFTER_REFUSAL
        self._context.metrics.running_spares_refused.inc()
        if kind not in self._refused:  # said once, though it is looked at again and again
            log.warning(f"{message}: the machine has too little memory left", kind)
        self._refused.add(kind)

    def _discard(self, spare_id: str) -> None:
        try:
            self._context.spares.discard(spare_id)
        except (DbyardError, OSError):
            log.exception("the running spare %s could not be discarded yet", spare_id)

    # ---- a new one ----------------------------------------------------------------------------------------------

    def _may_try(self, kind: str) -> bool:
        return kind not in self._trouble or self._trouble[kind].not_before <= time.monotonic()

    def _make(self, wanted: _Wanted) -> None:
        if not self._context.host.has_room() or not self._has_memory(wanted):
            return
        yield_to_operations(self._is_busy, self._stopping)
        spare_id = None
        try:
            spare_id, given = self._context.spares.new_spare()
            self._start(wanted, spare_id, given)
            self._context.spares.offer(spare_id, wanted.kind)
        except Exception:
            if not self._stopping.is_set():
                log.exception("a running spare (%s) could not be made", wanted.kind)
                self._put_off(wanted.kind)
            if spare_id is not None:
                self._discard(spare_id)

    def _has_memory(self, wanted: _Wanted) -> bool:
        if leaves_enough(self._context.host.memory(), wanted.memory):
            self._refused.discard(wanted.kind)
            return True
        self._refuse("no running spare (%s) is started", wanted.kind)
        return False

    def _start(self, wanted: _Wanted, spare_id: str, given: Allocation) -> None:
        """Start the spare's server and wait until it answers and lacks nothing but a tenant."""
        runtime, engine = self._context.runtime, engine_of(wanted.technology)
        layout = runtime.layout(spare_id, given.placement, wanted.release)
        credentials = credentials_of(
            self._context,
            given,
            user="",
            database=f"{wanted.technology.slug}_{layout.port}",
            certificate=self._context.authority.issue(spare_id, (*self._context.hosts, layout.host)),
        )
        spec = render_spare(self._context, wanted.technology, wanted.plan, spare_id, given, wanted.release, credentials)
        runtime.ensure(spec, given.placement, wanted.release)
        address = Address(layout.host, layout.port)
        self._await_ready(engine, spare_id, address, credentials)
        nothing = Desired(credentials.database, (), Restriction.NONE, wanted.plan)
        engine.configure(address, credentials.admin_password, nothing)

    def _await_ready(self, engine: Engine, spare_id: str, address: Address, credentials: Credentials) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                return engine.ping(address, credentials)
            except NotReady as error:
                said = str(error)
            if self._context.runtime.status(spare_id).state is not InstanceState.RUNNING:
                lines = "\n".join(self._context.runtime.logs(spare_id, _LOG_LINES))
                raise TemporaryError(f"it ended; its last log lines:\n{lines}", code="server_exited")
            if self._stopping.wait(_ASK_AGAIN) or time.monotonic() > deadline:
                raise TemporaryError(f"it does not answer: {said}", code="not_ready")

    def _put_off(self, kind: str) -> None:
        """After a failure: what goes wrong again and again is tried more and more seldom."""
        now = time.monotonic()
        trouble = self._trouble.setdefault(kind, _Trouble())
        trouble.failures = trouble.failures + 1 if now - trouble.failed_at < _FORGOTTEN else 1
        trouble.failed_at, trouble.not_before = now, now + back_off(trouble.failures)


def _can_wait(technology: Technology, version: str) -> bool:
    return any(each.version == version and each.running_spares for each in technology.versions)


def leaves_enough(memory: Capacity, wanted: int) -> bool:
    """Whether a server that may use `wanted` bytes leaves enough of the machine's memory."""
    return memory.free - wanted >= _LEFT * memory.total


def back_off(failures: int) -> float:
    """Seconds until another spare is tried, after so many failures: doubling from 30 to half an hour."""
    return min(_FIRST_DELAY * 2.0 ** min(failures - 1, 10), _MOST_DELAY)
