"""What the state knows of a database is written beside its instances, whenever it changes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping

from dbyard.errors import ConfigError
from dbyard.operations import Context, manifests
from dbyard.operations.manifests import Manifest
from dbyard.reconciler.loop import loop
from dbyard.store import database_rows
from dbyard.store.database_rows import Rows

log = logging.getLogger(__name__)

_PERIOD, _RETRY = 1.0, 30.0


class Manifests:
    def __init__(self, context: Context, stopping: threading.Event) -> None:
        self._context = context
        self._seen: Mapping[str, Rows] | None = None
        self._written: dict[str, Rows] = {}
        """By instance."""
        self.threads = [loop("manifests", stopping, self.run_once)]

    def start(self) -> None:
        for thread in self.threads:
            thread.start()

    def run_once(self) -> float:
        """Write those that have changed; while nothing is written to the state, this costs nothing."""
        found = self._context.store.cached("rows of databases", database_rows.load_all)
        if found is self._seen:
            return _PERIOD
        wanted = {str(each["id"]): rows for rows in found.values() for each in rows.get("instance", ())}
        self._written = {instance: rows for instance, rows in self._written.items() if instance in wanted}
        try:
            for instance_id, rows in wanted.items():
                self._write(instance_id, rows)
        except OSError as error:
            log.error("what is known of databases cannot be written beside their servers: %s", error)
            return _RETRY
        self._seen = found
        return _PERIOD

    def _write(self, instance_id: str, rows: Rows) -> None:
        if self._written.get(instance_id) == rows:
            return
        context = self._context
        if self._read(instance_id) != rows:
            with context.store.read() as connection:
                made = Manifest(database_rows.schema(connection), context.now(), rows)
            context.runtime.put_manifest(instance_id, manifests.seal(context.box, instance_id, made))
        if any(each["placement"] for each in rows["instance"] if each["id"] == instance_id):
            self._written[instance_id] = rows  # one without a place has kept none

    def _read(self, instance_id: str) -> Rows | None:
        """What an earlier start has written."""
        if instance_id in self._written:
            return None
        sealed = self._context.runtime.manifest(instance_id)
        try:
            return manifests.unseal(self._context.box, instance_id, sealed).rows if sealed else None
        except ConfigError:
            return None
