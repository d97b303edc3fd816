"""Spares: directories prepared beforehand, so that a create only has to claim one and start it."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

from dbyard.errors import DbyardError
from dbyard.model import Release
from dbyard.operations import Context
from dbyard.operations.target import NO_CERTIFICATE
from dbyard.reconciler.loop import loop
from dbyard.reconciler.spare_specs import credentials_of, render_spare, yield_to_operations
from dbyard.runtimes import kind_of_spare
from dbyard.store import databases

log = logging.getLogger(__name__)

_PERIOD = 0.5
_MAKERS = 2
_AFTER_FAILURE = 30.0
_DISCARD_PERIOD = 60.0
_NAME = "spare"
"""Of the tenant and its database, which `configure` turns into the real ones."""


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
        self.threads = [loop(f"spares-{n}", stopping, self.run_once) for n in range(_MAKERS)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def run_once(self) -> float:
        """Prepare one spare of the server that lacks most; the seconds until it is worth looking again."""
        release = self._next_needed()
        if release is None:
            return _PERIOD
        yield_to_operations(self._is_busy, self._stopping)
        self._make(release)
        return 0.0

    def _next_needed(self) -> Release | None:
        """The server that lacks most spares, counted as being made until `_make` ends."""
        self._discard_unclaimable()
        if not self._context.host.has_room():
            return None
        with self._lock:
            lacking = {key: release for key, release in self._servers().items() if self._lack(key, release)}
            if not lacking:
                return None
            key = max(lacking, key=lambda each: self._lack(each, lacking[each]))
            self._making[key] += 1
            return lacking[key]

    def _servers(self) -> dict[str, Release]:
        """Every server that a create may want: the default versions, and the versions in use."""
        technologies = self._context.catalogue.technologies.values()
        versions = [version for technology in technologies if technology.spares for version in technology.versions]
        with self._context.store.read() as connection:
            wanted = [each for each in versions if each.default or databases.has_version(connection, each)]
        found = (self._context.runtime.resolve(each.technology, each.version) for each in wanted)
        return {_key(release): release for release in found if release}

    def _discard_unclaimable(self) -> None:
        """Of servers that were removed, or that a newer build has taken the place of: no create asks for them."""
        with self._lock:
            if self._discard_at > time.monotonic():
                return
            self._discard_at = time.monotonic() + _DISCARD_PERIOD
            technologies = self._context.catalogue.technologies.values()
            versions = (version for technology in technologies for version in technology.versions)
            newest = (self._context.runtime.resolve(each.technology, each.version) for each in versions)
            claimable = {kind_of_spare(release) for release in newest if release}
            for spare in self._context.spares.list(running=False):
                if spare.kind not in claimable:
                    log.info("a spare (%s) is discarded: no create asks for it any more", spare.kind)
                    self._discard(spare.id)

    def _lack(self, key: str, release: Release) -> int:
        if self._failed_until.get(key, 0.0) > time.monotonic():
            return 0
        ready = self._context.spares.count(release)
        self._context.metrics.spares.labels(release.technology, release.full_version).set(ready)
        return max(0, self._wanted - ready - self._making[key])

    def _make(self, release: Release) -> None:
        key = _key(release)
        spare_id = None
        try:
            spare_id, given = self._context.spares.new_spare()
            technology = self._context.catalogue.technologies[release.technology]
            credentials = credentials_of(self._context, given, user=_NAME, database=_NAME, certificate=NO_CERTIFICATE)
            spec = render_spare(self._context, technology, technology.plans[0], spare_id, given, release, credentials)
            self._context.spares.prepare(spec, given.placement, release)
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
                self._context.spares.discard(spare_id)
        except (DbyardError, OSError):
            log.exception("the spare %s could not be removed", spare_id)


def _key(release: Release) -> str:
    return f"{release.technology} {release.full_version}"
