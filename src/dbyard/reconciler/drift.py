"""Drift: servers that should run and do not, or lack what is wanted of them; deletes that did not end; old records."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from dbyard.errors import Unavailable
from dbyard.model import DAY, Instance, InstanceState, OperationKind
from dbyard.operations import Context, server
from dbyard.reconciler.loop import logged, loop
from dbyard.reconciler.observed import Observed
from dbyard.store import Connection, databases, idempotency, instances, operations

log = logging.getLogger(__name__)

_PERIOD = 2.0
_MINUTE, _HOUR = 60.0, 3600.0
_AT_REST = (InstanceState.STOPPED, InstanceState.ABSENT)
_OPERATIONS_AT_ONCE = 3
_WINDOW = 60.0
_MOST_DELAY = 30.0
_DELETE_DELAY = 15.0
_RENEW_BEFORE = 30 * DAY
"""How long before its end a certificate is renewed."""


class DriftReconciler:
    def __init__(
        self,
        context: Context,
        stopping: threading.Event,
        wake: Callable[[], None],
        observed: Observed | None = None,
    ) -> None:
        self._context = context
        self._observed = observed or Observed(context)
        self._wake = wake
        self._hourly_at = 0.0
        self._trim_at = 0.0
        self._unknown_at = 0.0
        self._unknown: set[str] = set()
        self.threads = [loop("drift", stopping, self._run_once)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def server_ended(self, instance_id: str) -> None:
        """A server has ended; if it should run, it is healed at once, or as soon as that can be written."""
        try:
            with self._context.store.read() as connection:
                instance = instances.should_run(connection, instance_id)
            if instance is not None and not self._runs(instance):
                self._heal(instance)
        except Unavailable as error:
            log.error("instance %s cannot be healed yet: %s", instance_id, error)

    def reconcile(self) -> None:
        """Compare what should be with what is, once."""
        with self._context.store.read() as connection:
            should_run = instances.list_should_run(connection)
            unconfigured = instances.list_unconfigured(connection)
            undeleted = databases.list_undeleted(connection)
        down = [instance for instance in should_run if self._is_down(instance)]
        self._observed.note_down({instance.id: server.NOT_RUNNING for instance in down})  # before anything is written
        for instance in down:
            with logged(f"to look after instance {instance.id}"):
                self._heal(instance)
        for instance in unconfigured:
            self._configure(instance)
        for database_id in undeleted:
            self._delete_again(database_id)

    def _run_once(self) -> float:
        self._observed.note_home(self._context.host.trouble())
        self.reconcile()
        if self._context.store.trouble:
            self._context.store.check_writable()
        self._stop_unknown()
        self._do_hourly()
        self._trim_logs()
        return _PERIOD

    def _runs(self, instance: Instance) -> bool:
        return self._context.runtime.status(instance.id).state is InstanceState.RUNNING

    def _stop_unknown(self) -> None:
        """Servers that the state does not know, as after an older one was put back; their files are kept."""
        if time.monotonic() < self._unknown_at:
            return
        found = set(self._context.runtime.list_instances())
        with self._context.store.read() as connection:
            unknown = found - instances.list_ids(connection)
        unknown &= set(self._context.runtime.list_instances())  # those that a delete has not just removed
        self._context.metrics.unknown_instances.set(len(unknown))
        self._observed.unknown_instances = len(unknown)
        for instance_id in unknown - self._unknown:
            log.error("the state knows nothing of instance %s: its server is stopped, its files are kept", instance_id)
        self._unknown = unknown
        left = [each for each in unknown if self._context.runtime.status(each).state not in _AT_REST]
        for instance_id in left:
            self._context.runtime.stop(instance_id)
        self._unknown_at = time.monotonic() + (_PERIOD if left else _MINUTE)

    def _is_down(self, instance: Instance) -> bool:
        with logged(f"to look at instance {instance.id}"):
            return not self._runs(instance)
        return False

    def _heal(self, instance: Instance) -> None:
        """Bring the server back, unless an operation is at work that does so."""
        now = self._context.now()
        with self._context.store.tx() as connection:
            if not self._may_change(connection, instance):
                return
            delay = self._delay(connection, instance, OperationKind.HEAL)
            operations.insert(
                connection, instance.database_id, OperationKind.HEAL, now, delay=delay, instance_id=instance.id
            )
            instances.set_down(connection, instance.id, now, server.NOT_RUNNING)
        log.warning("the server of instance %s does not run: %s", instance.id, OperationKind.HEAL)
        self._wake()

    def _configure(self, instance: Instance) -> None:
        """Bring the server to what is wanted of it: an operation that should have done so did not, or could not."""
        now = self._context.now()
        with self._context.store.tx() as connection:
            if not self._may_change(connection, instance):
                return
            if not instances.is_unconfigured(connection, instance.id):
                return  # the operation that was at work on it has just ended
            delay = self._delay(connection, instance, OperationKind.CONFIGURE)
            operations.insert(
                connection, instance.database_id, OperationKind.CONFIGURE, now, delay=delay, instance_id=instance.id
            )
        self._wake()

    def _may_change(self, connection: Connection, instance: Instance) -> bool:
        if instances.should_run(connection, instance.id) is None:
            return False
        return operations.exclusive_of(connection, instance.database_id) is None

    def _delay(self, connection: Connection, instance: Instance, kind: str) -> float:
        now = self._context.now()
        return repeat_delay(operations.count_recent(connection, instance.database_id, kind, now - _WINDOW, now))

    def _delete_again(self, database_id: str) -> None:
        with self._context.store.tx() as connection:
            if operations.exclusive_of(connection, database_id) is None:
                now = self._context.now()
                operations.insert(connection, database_id, OperationKind.DELETE, now, delay=_DELETE_DELAY)

    def _do_hourly(self) -> None:
        now = self._context.now()
        at = self._context.store.steady(now)
        if at < self._hourly_at:
            return
        with self._context.store.tx() as connection:
            operations.prune(connection, now)
            idempotency.delete_before(connection, now - DAY)
            expiring = instances.list_expiring(connection, now + _RENEW_BEFORE)
        renewed = [self._renew_certificate(instance) for instance in expiring]
        self._hourly_at = at + (_HOUR if all(renewed) else _MINUTE)

    def _renew_certificate(self, instance: Instance) -> bool:
        """False while another operation is at work on the database."""
        now = self._context.now()
        with self._context.store.tx() as connection:
            if not self._may_change(connection, instance):
                return False
            kind = OperationKind.RENEW_CERTIFICATE
            operations.insert(connection, instance.database_id, kind, now, instance_id=instance.id)
        self._wake()
        return True

    def _trim_logs(self) -> None:
        at = self._context.store.steady(self._context.now())
        if at >= self._trim_at:
            self._trim_at = at + _MINUTE
            self._context.host.trim_logs()


def repeat_delay(recent: int) -> float:
    """Seconds to wait before the same is done again: none for the first few in a minute, then doubling."""
    if recent < _OPERATIONS_AT_ONCE:
        return 0.0
    return min(2.0 ** min(recent - _OPERATIONS_AT_ONCE, 10), _MOST_DELAY)
