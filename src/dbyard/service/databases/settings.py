"""Settings of a database's server that its owner may choose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dbyard import engines
from dbyard.engines import Configurable
from dbyard.errors import Invalid
from dbyard.model import Access, Database, EventType, OperationKind, OperationStatus, Principal, Setting, Settings
from dbyard.service import Service
from dbyard.service.authorization import authorize_database
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
        if not isinstance(changes, dict) or not changes:
            raise Invalid({"settings": ["should be an object of values by name, with one at least"]})
        settings = _merge(_known(service, database), database, changes)
        changed = replace(database, settings=settings)
        if settings == database.settings:
            return _chosen(service, database)
        operation_id = queue(service, connection, database, OperationKind.CONFIGURE)
        databases.set_settings(connection, database.id, settings, service.clock())
        data = event_data(database) | {"settings": {name: _told(changes[name]) for name in sorted(changes)}}
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


def _known(service: Service, database: Database) -> Sequence[Setting]:
    engine = engines.load(service.catalogue.get(database.technology).engine)
    return engine.SETTINGS if isinstance(engine, Configurable) else ()


def _chosen(service: Service, database: Database) -> ChosenSettings:
    return ChosenSettings([(each, each.of(database.settings)) for each in _known(service, database)])


def _merge(known: Sequence[Setting], database: Database, changes: Mapping[str, object]) -> Settings:
    found = {each.name: each for each in known}
    errors = [error for name, value in changes.items() if (error := _refuse(found, name, value))]
    if errors:
        raise Invalid({"settings": errors})
    merged = {**database.settings, **{name: _told(value) for name, value in changes.items()}}
    return {name: value for name, value in merged.items() if value is not None and value != found[name].default}


def _refuse(known: Mapping[str, Setting], name: str, value: object) -> str | None:
    if name not in known:
        return f"{name}: there is no such setting; there are {', '.join(known) or 'none'}"
    setting = known[name]
    if value is None or (isinstance(value, str) and setting.takes(value)):
        return None
    return f"{name}: must be {' or '.join(setting.values)}" if setting.values else f"{name}: must fit {setting.pattern}"


def _told(value: object) -> str | None:
    return None if value is None else str(value)
