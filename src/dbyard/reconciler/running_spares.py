"""Running spares: servers that start slowly, started beforehand for nobody, so that a create only has to claim one.

Each holds memory while it waits, so there are none unless somebody asks for them, and none where memory is scarce. Its
memory is set when it starts: only a database of the smallest plan can have it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dbyard import engines
from dbyard.engines import Engine
from dbyard.errors import DbyardError, NotReady, TemporaryError, Unavailable
from dbyard.model import (
    MIB,
    Address,
    Capacity,
    Credentials,
    Installation,
    InstanceSpec,
    InstanceState,
    Placement,
    Plan,
    RenderInput,
    Technology,
)
from dbyard.operations import Context
from dbyard.reconciler.spares import yield_to_operations
from dbyard.runtimes import kind_of_spare
from dbyard.store import instances

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
    installation: Installation

    @property
    def kind(self) -> str:
        return kind_of_spare(self.installation, self.plan.name)

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
        self._trouble: dict[str, _Trouble] = {}
        self._refused: set[str] = set()
        self.threads = [threading.Thread(target=self._run, name="running-spares", daemon=True)]

    def start(self) -> None:
        if self._count and not self._context.runtime.may_run_spares():
            log.warning("running_spares needs root and bubblewrap: no server is kept running for nobody")
            self._count = 0
        for thread in self.threads:
            thread.start()

    def run_once(self) -> None:
        """Discard what nobody can or should have, then start at most one that is lacking."""
        wanted = {each.kind: each for each in self._list_wanted()}
        ready = self._discard_useless(wanted)
        for kind, each in wanted.items():
            labels = (each.installation.technology, each.installation.full_version)
            self._context.metrics.running_spares.labels(*labels).set(ready[kind])
        lacking = (each for kind, each in wanted.items() if ready[kind] < self._count and self._may_try(kind))
        if first := next(lacking, None):
            self._make(first)

    def _run(self) -> None:
        while self._count or self._context.runtime.list_spares(running=True):
            try:
                self.run_once()
            except Unavailable as error:
                log.error("running spares cannot be kept: %s", error)
            except Exception:
                log.exception("keeping running spares failed; it goes on in %.0f s", _PERIOD)
            if self._stopping.wait(_PERIOD):
                return

    def _list_wanted(self) -> Iterator[_Wanted]:
        """The default versions and those in use, of the servers that can be given away while they run."""
        technologies = self._context.catalogue.technologies.values() if self._count else ()
        versions = [(each, version) for each in technologies for version in each.versions if version.running_spares]
        with self._context.store.read() as connection:
            used = [pair for pair in versions if pair[1].default or instances.is_used(connection, pair[1])]
        for technology, version in used:
            installation = self._context.installed(technology.slug, version.version)
            if installation is not None:
                yield _Wanted(technology, technology.smallest_plan, installation)

    # ---- what is there ------------------------------------------------------------------------------------------

    def _discard_useless(self, wanted: dict[str, _Wanted]) -> Counter[str]:
        """How many are left of each kind."""
        ready: Counter[str] = Counter()
        scarce = self._is_memory_scarce()
        for spare in self._context.runtime.list_spares(running=True):
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
        memory = self._context.runtime.memory()
        return memory.free < _LEAST_LEFT * memory.total

    def _refuse(self, message: str, kind: str) -> None:
        self._trouble.setdefault(kind, _Trouble()).not_before = time.monotonic() + _AFTER_REFUSAL
        self._context.metrics.running_spares_refused.inc()
        if kind not in self._refused:  # said once, though it is looked at again and again
            log.warning(f"{message}: the machine has too little memory left", kind)
        self._refused.add(kind)

    def _discard(self, spare_id: str) -> None:
        try:
            self._context.runtime.discard(spare_id)
        except (DbyardError, OSError):
            log.exception("the running spare %s could not be discarded yet", spare_id)

    # ---- a new one ----------------------------------------------------------------------------------------------

    def _may_try(self, kind: str) -> bool:
        return kind not in self._trouble or self._trouble[kind].not_before <= time.monotonic()

    def _make(self, wanted: _Wanted) -> None:
        if not self._context.runtime.has_room() or not self._has_memory(wanted):
            return
        yield_to_operations(self._is_busy, self._stopping)
        spare_id = None
        try:
            spare_id, placement = self._context.runtime.new_spare()
            self._start(wanted, spare_id, placement)
            self._context.runtime.offer(spare_id, wanted.kind)
        except Exception:
            if not self._stopping.is_set():
                log.exception("a running spare (%s) could not be made", wanted.kind)
                self._put_off(wanted.kind)
            if spare_id is not None:
                self._discard(spare_id)

    def _has_memory(self, wanted: _Wanted) -> bool:
        if leaves_enough(self._context.runtime.memory(), wanted.memory):
            self._refused.discard(wanted.kind)
            return True
        self._refuse("no running spare (%s) is started", wanted.kind)
        return False

    def _start(self, wanted: _Wanted, spare_id: str, placement: Placement) -> None:
        """Start the spare's server and wait until it answers and lacks nothing but a tenant."""
        runtime, engine = self._context.runtime, engines.load(wanted.technology.engine)
        credentials = self._credentials(wanted, spare_id, placement)
        spec = self._render(engine, wanted, spare_id, placement, credentials)
        runtime.ensure(spec, placement, wanted.installation)
        endpoint = Address(placement.host, placement.port)
        self._await_ready(engine, spare_id, endpoint, credentials)
        engine.secure(endpoint, credentials)

    def _credentials(self, wanted: _Wanted, spare_id: str, placement: Placement) -> Credentials:
        """The admin that it keeps, nobody as its tenant, and names of its own until it is started for a database."""
        return Credentials(
            admin_password=self._context.box.derive("admin", placement.seed),
            user="",
            password="",
            database=f"{wanted.technology.slug}_{placement.port}",
            certificate=self._context.authority.issue(spare_id),
        )

    def _render(
        self, engine: Engine, wanted: _Wanted, spare_id: str, placement: Placement, credentials: Credentials
    ) -> InstanceSpec:
        node = RenderInput(spare_id, 1, wanted.plan, wanted.technology.overhead_mb)
        layout = self._context.runtime.layout(spare_id, placement, wanted.installation)
        return engine.render(node, layout, credentials)

    def _await_ready(self, engine: Engine, spare_id: str, endpoint: Address, credentials: Credentials) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                return engine.ping(endpoint, credentials)
            except NotReady as error:
                said = str(error)
            if self._context.runtime.state(spare_id) is not InstanceState.RUNNING:
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


def leaves_enough(memory: Capacity, wanted: int) -> bool:
    """Whether a server that may use `wanted` bytes leaves enough of the machine's memory."""
    return memory.free - wanted >= _LEFT * memory.total


def back_off(failures: int) -> float:
    """Seconds until another spare is tried, after so many failures: doubling from 30 to half an hour."""
    return min(_FIRST_DELAY * 2.0 ** min(failures - 1, 10), _MOST_DELAY)
