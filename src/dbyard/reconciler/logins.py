"""Whether tenants can still use servers that run and answer the platform.

A tenant may lock itself out, and a server may find that it cannot read some of its data.

Told once, when it was seen twice in a row, and again only when the reason is another one: in the log, as an event, and
as the database's error. A tenant that has set a password of its own is told of in the same way and keeps it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from dbyard.operations import Context, server
from dbyard.operations.target import Target
from dbyard.reconciler.record_event import record_damaged, record_locked_out
from dbyard.store import Connection, instances, operations

log = logging.getLogger(__name__)

_PERIOD, _SUSPECT_PERIOD = 300.0, 60.0
"""Seconds from one log-in to the next: each is a line in the log of some servers, and work for all."""


class LoginMonitor:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._due: dict[str, float] = {}
        self._suspects: set[str] = set()

    def forget(self, instance_id: str) -> None:
        self._due.pop(instance_id, None)
        self._suspects.discard(instance_id)

    def check(self, target: Target) -> None:
        """Log in as the tenant of a server that answers, when that is due, and unless its password is being changed."""
        instance, now = target.instance, time.monotonic()
        if target.credential.pending:
            return
        if now < self._due.setdefault(instance.id, now):
            return
        locked_out = server.check_login(self._context, target)
        error = locked_out or server.inspect_data(self._context, target)
        self._due[instance.id] = now + (_PERIOD if error is None else _SUSPECT_PERIOD)
        was_suspect = instance.id in self._suspects
        self._suspects.add(instance.id) if error else self._suspects.discard(instance.id)
        if error != instance.login_error and (error is None or was_suspect):
            self._record(target, error, record_locked_out if locked_out else record_damaged)

    def _record(self, target: Target, error: str | None, record: Callable[[Connection, str, str, float], None]) -> None:
        """Unless an operation is at work on it, or has found something else meanwhile."""
        instance = target.instance
        with self._context.store.tx() as connection:
            if operations.exclusive_of(connection, target.database.id) is not None:
                return
            if not instances.replace_login_error(connection, instance.id, instance.login_error, error):
                return
            if error is not None:
                record(connection, target.database.id, error, self._context.now())
        if error is not None:
            log.warning("the server of instance %s runs, and %s", instance.id, error)
