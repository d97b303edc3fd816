"""A state that was lost, or is older than its servers, is rebuilt from the manifests that lie beside them.

Servers run on meanwhile, and are not touched. Nothing is removed: what an older state knows and no manifest tells
stays.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dbyard.archive.locations import Location
from dbyard.errors import ArchiveUnavailable, ConfigError
from dbyard.model import PLATFORM_ID, EventType, InstanceState
from dbyard.operations import manifests, recovered_journals
from dbyard.operations.manifests import Manifest
from dbyard.operations.recovered_state import adopt_backups
from dbyard.runtimes import Runtime
from dbyard.secrets import Box
from dbyard.store import Store, accounts, database_rows, events, instances, operations

log = logging.getLogger(__name__)

_GONE = "its server is not here any more, and the state is older than that"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The names of databases: those that were told by manifests, and those of which the state knows and no server is
    here. `unreadable` are instances whose manifests cannot be read."""

    told: Sequence[str]
    gone: Sequence[str]
    unreadable: Sequence[str]


def rebuild(path: Path, runtime: Runtime, archive: Location, box: Box, now: float) -> Rebuilt:
    """Bring the state file, which nobody uses, to what the manifests tell; where there is none it is made.

    Raises ConfigError when it cannot be used.
    """
    found, unreadable = _read(runtime, box)
    _put(path, found)
    store = Store(path)
    try:
        gone = _finish(store, runtime, found, now)
        _adopt_backups(store, archive, box)
    finally:
        store.close()
    return Rebuilt([str(each.database["name"]) for each in found], gone, unreadable)


def _read(runtime: Runtime, box: Box) -> tuple[list[Manifest], list[str]]:
    """The newest manifest of each database, those with the oldest schema first, then as they were created."""
    newest: dict[object, Manifest] = {}
    unreadable = []
    for instance_id in runtime.list_instances():
        sealed = runtime.manifest(instance_id)
        try:
            if sealed is None:
                raise ConfigError(f"instance {instance_id} has no manifest")
            manifest = manifests.unseal(box, instance_id, sealed)
        except ConfigError as error:
            log.error("%s", error)
            unreadable.append(instance_id)
            continue
        database_id = manifest.database["id"]
        if database_id not in newest or newest[database_id].at < manifest.at:
            newest[database_id] = manifest
    order = sorted(newest.values(), key=lambda each: (each.schema, str(each.database["created_at"])))
    return order, unreadable


def _put(path: Path, found: Sequence[Manifest]) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.row_factory = sqlite3.Row
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        for each in found:
            database_rows.put(connection, each.schema, each.rows)
    except (sqlite3.Error, ValueError) as error:
        raise ConfigError(f"the state cannot be rebuilt: {error}") from error
    finally:
        connection.close()


def _finish(store: Store, runtime: Runtime, found: Sequence[Manifest], now: float) -> list[str]:
    """What an older state had under way does not hold any more; the names of databases without a server."""
    gone = []
    with store.tx() as connection:
        for each in found:
            operations.supersede(connection, str(each.database["id"]), now)
        for instance in instances.list_should_run(connection):
            if runtime.status(instance.id).state is InstanceState.ABSENT:
                instances.set_down(connection, instance.id, now, _GONE)
                gone.append(instance.database_id)
        admin = accounts.find_account(connection, "admin")
        data = {"databases": len(found), "without_server": len(gone)}
        owner = admin.id if admin else PLATFORM_ID
        events.record(connection, None, EventType.STATE_REBUILT, now, owner_id=owner, data=data)
    return gone


def _adopt_backups(store: Store, archive: Location, box: Box) -> None:
    try:
        adopt_backups(store, archive, box, lambda _: None)
        recovered_journals.adopt(store, archive)
    except ArchiveUnavailable as error:
        log.error("the archive does not tell which backups there are, and they are not known: %s", error)
