"""Drift: servers that should run and do not, deletes that did not end, records that nobody needs any more."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from dbyard.errors import Unavailable
from dbyard.model import Instance, InstanceState, OperationKind
from dbyard.operations import Context
from dbyard.store import databases, instances, operations

log = logging.getLogger(__name__)

_PERIOD = 2.0
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0
_HEALS_AT_ONCE = 3
_HEAL_WINDOW = 60.0
_HEAL_DELAY_MOST = 30.0
_DELETE_DELAY = 15.0


class DriftReconciler:
    def __init__(self, context: Context, stopping: threading.Event, wake: Callable[[], None]) -> None:
        self._context = context
        self._stopping = stopping
        self._wake = wake
        self._prune_at = 0.0
        self._trim_at = 0.0
        self.threads = [threading.Thread(target=self._run, name="sweep", daemon=True)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def server_ended(self, instance_id: str) -> None:
        """A server has ended; if it should run, it is healed at once."""
        with self._context.store.read() as connection:
            instance = instances.get_settled(connection, instance_id)
        if instance is not None:
            self._heal(instance)

    def sweep(self) -> None:
        """Compare what should be with what is, once."""
        with self._context.store.read() as connection:
            settled = instances.list_settled(connection)
            unrotated = instances.list_unrotated(connection)
            undeleted = instances.list_undeleted(connection)
        for instance in settled:
            if instance.id in unrotated or self._context.runtime.state(instance.id) is not InstanceState.RUNNING:
                self._heal(instance)
        for database_id in undeleted:
            self._delete_again(database_id)

    def _run(self) -> None:
        while not self._stopping.wait(_PERIOD):
            try:
                self.sweep()
                self._prune()
                self._trim()
            except Unavailable as error:
                log.error("the sweep cannot be recorded: %s", error)
            except Exception:
                log.exception("the sweep failed; it runs again in %.0f s", _PERIOD)

    def _heal(self, instance: Instance) -> None:
        """Bring the server back; a password that it may not have yet comes with that."""
        now = self._context.now()
        with self._context.store.tx() as connection:
            if instances.get_settled(connection, instance.id) is None:
                return  # somebody was quicker
            rotating = databases.is_rotating(connection, instance.database_id)
            kind = OperationKind.ROTATE if rotating else OperationKind.HEAL
            recent = operations.count_recent(connection, instance.database_id, kind, now - _HEAL_WINDOW)
            operations.insert(connection, instance.database_id, kind, now, delay=heal_delay(recent))
        trouble = "does not have its password" if rotating else "does not run"
        log.warning("the server of instance %s %s: %s", instance.id, trouble, kind)
        self._wake()

    def _delete_again(self, database_id: str) -> None:
        with self._context.store.tx() as connection:
            if operations.active_id(connection, database_id) is None:
                operations.insert(
                    connection, database_id, OperationKind.DELETE, self._context.now(), delay=_DELETE_DELAY
                )

    def _prune(self) -> None:
        now = self._context.now()
        if now < self._prune_at:
            return
        self._prune_at = now + _HOUR
        with self._context.store.tx() as connection:
            operations.prune(connection, now - 7 * _DAY)
            databases.forget_before(connection, now - _DAY)

    def _trim(self) -> None:
        now = self._context.now()
        if now >= self._trim_at:
            self._trim_at = now + _MINUTE
            self._context.runtime.trim_logs()


def heal_delay(recent: int) -> float:
    """Seconds to wait before a heal: none for the first few in a minute, then doubling, so that a loop stays slow."""
    if recent < _HEALS_AT_ONCE:
        return 0.0
    return min(2.0 ** min(recent - _HEALS_AT_ONCE, 10), _HEAL_DELAY_MOST)
