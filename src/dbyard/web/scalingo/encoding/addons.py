"""A database as the one addon of its app, and the variables that hold its URL."""

from __future__ import annotations

from msgspec import structs

from dbyard.model import Database, DatabaseStatus, Plan, Technology
from dbyard.model.times import to_datetime, to_datetime_or_none
from dbyard.service.databases.status import DatabaseOverview, StatusReport
from dbyard.web.scalingo.encoding.catalogue import encode_plan, provider_name
from dbyard.web.scalingo.identifiers import addon_id
from dbyard.wire import addons as wire


def encode_addon(overview: DatabaseOverview, technology: Technology, server_type: Technology, plan: Plan) -> wire.Addon:
    """The provider has the name of what its servers are, by which clients look for the addon."""
    database, report = overview.database, overview.report
    return wire.Addon(
        id=addon_id(database.id),
        app_id=database.id,
        resource_id=database.id,
        status=_status(report),
        plan=encode_plan(technology, plan),
        addon_provider=wire.ProviderOf(technology.slug, provider_name(server_type), ""),
        provisioned_at=to_datetime_or_none(report.ready_at),
        deprovisioned_at=None,
        updated_at=to_datetime(report.updated_at or database.created_at),
    )


def encode_with_token(addon: wire.Addon, token: str) -> wire.AddonTokenAnswer:
    return wire.AddonTokenAnswer(wire.AddonWithToken(**structs.asdict(addon), token=token))


def encode_changed(addon: wire.Addon, name: str, technology: Technology) -> wire.ChangedAddonAnswer:
    names = list(technology.variables)
    return wire.ChangedAddonAnswer(addon, f"{name} has the plan {addon.plan.name}", names, names)


def encode_variables(
    database: Database, technology: Technology, url: str | None, *, aliases: bool
) -> wire.VariablesAnswer:
    """None while there is no URL. With `aliases` an alias names the variable it stands for, else it has its value."""
    if url is None:
        return wire.VariablesAnswer([])
    name, alias = technology.variables
    return wire.VariablesAnswer(
        [
            wire.Variable(f"{database.id}-url", name, url),
            wire.Variable(f"{database.id}-alias", alias, f"${name}" if aliases else url),
        ]
    )


def _status(report: StatusReport) -> str:
    """Once a server was ready the addon is there, whatever its server is going through."""
    if report.ready_at is not None:
        return "running"
    return "suspended" if report.status is DatabaseStatus.STOPPED else "provisioning"
