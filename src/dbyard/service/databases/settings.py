"""Settings of a database's server that its owner may choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dbyard.model import Access, Database, EventType, OperationKind, OperationStatus, Principal, Setting
from dbyard.service import Service
from dbyard.service.authorization import authorize_database
from dbyard.service.databases import setting_rules
from dbyard.service.databases.databases import event_data
from dbyard.service.databases.operations import find, queue
from dbyard.store import databases, events


@dataclass(frozen=True, slots=True)
class ChosenSettings:
    """All settings of a database, each with its value; `operation_id` is None when the server has them already."""

    settings: Sequence[tuple[Setting, str]]
    operation_id: str | None = None


def list_all(service: Service, principal: Principal, key: str) -> ChosenSettings:
    with service.store.read() as connection:
        database = authorize_database(connection, principal, key)
    return _chosen(service, database)


def change(service: Service, principal: Principal, key: str, changes: object) -> ChosenSettings:
    """Give settings other values by name, None for the default; an operation brings the server to them.

    Raises Invalid on `settings` for what its technology does not take; Conflict as `queue` does.
    """
    with service.store.tx() as connection:
        database = authorize_database(connection, principal, key, Access.CHANGE)
        technology = service.catalogue.get(database.technology)
        settings = setting_rules.merge(technology, database.settings, changes, exists=True)
        changed = replace(database, settings=settings)
        if settings == database.settings:
            return _chosen(service, database)
        operation_id = queue(service, connection, database, OperationKind.CONFIGURE)
        databases.set_settings(connection, database.id, settings, service.clock())
        data = event_data(database) | {"settings": changes}
        events.record(connection, principal, EventType.SETTINGS_CHANGED, service.clock(), database=database, data=data)
    service.wake()
    return replace(_chosen(service, changed), operation_id=operation_id)


def look_after(service: Service, chosen: ChosenSettings) -> ChosenSettings | None:
    """The same once its operation has ended; None until then."""
    operation = find(service, chosen.operation_id) if chosen.operation_id else None
    if operation is not None and operation.active:
        return None
    done = operation is not None and operation.status is OperationStatus.DONE
    return replace(chosen, operation_id=None) if done else chosen


def _chosen(service: Service, database: Database) -> ChosenSettings:
    known = setting_rules.known(service.catalogue.get(database.technology))
    return ChosenSettings([(each, each.of(database.settings)) for each in known])
