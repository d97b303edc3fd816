"""Spares: directories prepared beforehand, so that a create only has to claim one and start it."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from dbyard import engines
from dbyard.errors import DbyardError
from dbyard.model import Certificate, Credentials, Installation, InstanceSpec, Placement, RenderInput
from dbyard.operations import Context
from dbyard.runtimes import kind_of_spare
from dbyard.store import instances

log = logging.getLogger(__name__)

_PERIOD = 0.5
_MAKERS = 2
_YIELD_SECONDS = 5.0
_AFTER_FAILURE = 30.0
_DISCARD_PERIOD = 60.0
_NO_CERTIFICATE = Certificate("", "", "")


class Spares:
    def __init__(self, context: Context, stopping: threading.Event, wanted: int, is_busy: Callable[[], bool]) -> None:
        self._context = context
        self._stopping = stopping
        self._wanted = wanted
        self._is_busy = is_busy
        self._lock = threading.Lock()
        self._making: Counter[str] = Counter()
        self._failed_until: dict[str, float] = {}
        self._discard_at = 0.0
        self.threads = [threading.Thread(target=self._run, name=f"spares-{n}", daemon=True) for n in range(_MAKERS)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                installation = self._next_needed()
            except Exception:
                log.exception("what spares are needed cannot be told; tried again in %.0f s", _AFTER_FAILURE)
                self._stopping.wait(_AFTER_FAILURE)
                continue
            if installation is None:
                self._stopping.wait(_PERIOD)
            else:
                yield_to_operations(self._is_busy, self._stopping)
                self._make(installation)

    def _next_needed(self) -> Installation | None:
        """The server that lacks most spares, counted as being made until `_make` ends."""
        self._discard_unclaimable()
        if not self._context.runtime.has_room():
            return None
        with self._lock:
            lacking = {
                key: installation for key, installation in self._servers().items() if self._lack(key, installation)
            }
            if not lacking:
                return None
            key = max(lacking, key=lambda each: self._lack(each, lacking[each]))
            self._making[key] += 1
            return lacking[key]

    def _servers(self) -> dict[str, Installation]:
        """Every server that a create may want: the default versions, and the versions in use."""
        technologies = self._context.catalogue.technologies.values()
        versions = [version for technology in technologies if technology.spares for version in technology.versions]
        with self._context.store.read() as connection:
            wanted = [each for each in versions if each.default or instances.is_used(connection, each)]
        found = (self._context.installed(each.technology, each.version) for each in wanted)
        return {_key(installation): installation for installation in found if installation}

    def _discard_unclaimable(self) -> None:
        """Of servers that were removed, or that a newer build has taken the place of: no create asks for them."""
        with self._lock:
            if self._discard_at > time.monotonic():
                return
            self._discard_at = time.monotonic() + _DISCARD_PERIOD
            technologies = self._context.catalogue.technologies.values()
            versions = (version for technology in technologies for version in technology.versions)
            newest = (self._context.installed(each.technology, each.version) for each in versions)
            claimable = {kind_of_spare(installation) for installation in newest if installation}
            for spare in self._context.runtime.list_spares(running=False):
                if spare.kind not in claimable:
                    log.info("a spare (%s) is discarded: no create asks for it any more", spare.kind)
                    self._discard(spare.id)

    def _lack(self, key: str, installation: Installation) -> int:
        if self._failed_until.get(key, 0.0) > time.monotonic():
            return 0
        ready = self._context.runtime.spares(installation)
        self._context.metrics.spares.labels(installation.technology, installation.full_version).set(ready)
        return max(0, self._wanted - ready - self._making[key])

    def _make(self, installation: Installation) -> None:
        key = _key(installation)
        spare_id = None
        try:
            spare_id, placement = self._context.runtime.new_spare()
            spec = self._render(spare_id, placement, installation)
            self._context.runtime.prepare(spec, placement, installation)
        except Exception:
            # Whatever is wrong with one server, the others want their spares.
            log.exception("a spare of %s could not be prepared", key)
            self._failed_until[key] = time.monotonic() + _AFTER_FAILURE
            self._discard(spare_id)
        finally:
            with self._lock:
                self._making[key] -= 1

    def _discard(self, spare_id: str | None) -> None:
        try:
            if spare_id is not None:
                self._context.runtime.discard(spare_id)
        except (DbyardError, OSError):
            log.exception("the spare %s could not be removed", spare_id)

    def _render(self, spare_id: str, placement: Placement, installation: Installation) -> InstanceSpec:
        """The server of nobody's database: same admin as later, a tenant that `secure` turns into the real one."""
        technology = self._context.catalogue.technologies[installation.technology]
        secrets = Credentials(
            admin_password=self._context.box.derive("admin", placement.seed),
            user="spare",
            password=self._context.box.derive("spare", placement.seed),
            database="spare",
            certificate=_NO_CERTIFICATE,
        )
        node = RenderInput(spare_id, 1, technology.plans[0], technology.overhead_mb)
        layout = self._context.runtime.layout(spare_id, placement, installation)
        return engines.load(technology.engine).render(node, layout, secrets)


def yield_to_operations(is_busy: Callable[[], bool], stopping: threading.Event) -> None:
    """A create that waits for the processor is worth more than a spare, but spares must come some time."""
    until = time.monotonic() + _YIELD_SECONDS
    while is_busy() and time.monotonic() < until and not stopping.is_set():
        stopping.wait(0.05)


def _key(installation: Installation) -> str:
    return f"{installation.technology} {installation.full_version}"
