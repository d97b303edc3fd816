"""The one addon of an app: the plan of the database, the way to its token, and the variables that hold its URL."""

from __future__ import annotations

from msgspec import structs

from dbyard.errors import Conflict, NotFound
from dbyard.model import Database, DatabaseStatus, Principal
from dbyard.service import Service, access, accounts, apps, changes
from dbyard.service.conditions import condition, status
from dbyard.service.dates import date, date_or_none
from dbyard.service.plans import show_plan
from dbyard.store import Connection
from dbyard.wire import apps as wire


def list_all(service: Service, principal: Principal, key: str) -> wire.AddonsAnswer:
    with service.store.snapshot() as reading:
        return wire.AddonsAnswer([_addon(service, reading, apps.own(reading, principal, key))])


def get(service: Service, principal: Principal, key: str, addon_id: str) -> wire.AddonAnswer:
    with service.store.snapshot() as reading:
        return wire.AddonAnswer(_addon(service, reading, _own(reading, principal, key, addon_id)))


def make_token(service: Service, principal: Principal, key: str, addon_id: str) -> wire.AddonTokenAnswer:
    """The addon, and a token for its database that is good for an hour."""
    with service.store.snapshot() as reading:
        database = _own(reading, principal, key, addon_id)
        addon = _addon(service, reading, database)
    token = accounts.addon_token(service, principal, database.id)
    return wire.AddonTokenAnswer(wire.AddonWithToken(**structs.asdict(addon), token=token))


def change_plan(
    service: Service, principal: Principal, key: str, addon_id: str, plan: object
) -> wire.ChangedAddonAnswer:
    """Raises Invalid and Conflict as `changes.change_plan` does."""
    with service.store.read() as reading:
        database = _own(reading, principal, key, addon_id)
    changes.change_plan(service, principal, database.id, plan)
    addon = get(service, principal, database.id, addon_id).addon
    names = list(service.catalogue.get(database.technology).variables)
    return wire.ChangedAddonAnswer(addon, f"{database.name} has the plan {addon.plan.name}", names, names)


def refuse_another(service: Service, principal: Principal, key: str) -> None:
    database = apps.find(service, principal, key)
    raise Conflict(f"The app {database.name} is a database and has no room for another: POST /v1/databases makes one")


def list_variables(service: Service, principal: Principal, key: str, aliases: bool) -> wire.VariablesAnswer:
    """None before the URL is certain; from then on always, also while the server is being brought back.

    With `aliases` an alias says which variable it stands for, else it has the same value.
    """
    database = apps.find(service, principal, key)
    url = access.url(service, database)
    if url is None:
        return wire.VariablesAnswer([])
    name, alias = service.catalogue.get(database.technology).variables
    return wire.VariablesAnswer(
        [
            wire.Variable(f"{database.id}-url", name, url),
            wire.Variable(f"{database.id}-alias", alias, f"${name}" if aliases else url),
        ]
    )


def _own(reading: Connection, principal: Principal, key: str, addon_id: str) -> Database:
    database = apps.own(reading, principal, key)
    if addon_id != database.addon_id:
        raise NotFound("not found", extra={"resource": "addon"})
    return database


def _addon(service: Service, reading: Connection, database: Database) -> wire.Addon:
    found = condition(reading, database.id)
    technology = service.catalogue.get(database.technology)
    plan = service.catalogue.plan(database.technology, database.plan)
    if plan is None:
        raise LookupError(f"the plan {database.plan} is not in the catalogue any more")
    return wire.Addon(
        id=database.addon_id,
        app_id=database.id,
        resource_id=database.id,
        status=_status(found.ready_at, status(found, service.clock())),
        plan=show_plan(technology, plan),
        addon_provider=wire.ProviderOf(technology.slug, technology.name, ""),
        provisioned_at=date_or_none(found.ready_at),
        deprovisioned_at=None,
        updated_at=date(found.updated_at or database.created_at),
    )


def _status(ready_at: float | None, found: DatabaseStatus) -> str:
    """Once a server ran the addon is there, whatever its server is going through."""
    if ready_at is not None:
        return "running"
    return "suspended" if found is DatabaseStatus.STOPPED else "provisioning"
