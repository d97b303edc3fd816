"""What can be asked for: technologies (addon providers, for the clients of Scalingo's API) and their plans."""

from __future__ import annotations

from dbyard import wire
from dbyard.errors import NotFound
from dbyard.model import Plan, Technology
from dbyard.service import Service

_CATEGORY = wire.Category(id="databases", name="Databases", description="Database servers", position=1)
_FREE = {"default": wire.Price(price="0.0", currency="EUR", period="minute")}


def list_providers(service: Service, category_id: str | None = None) -> wire.AddonProvidersAnswer:
    """All, or those of one category."""
    if category_id not in (None, "", _CATEGORY.id):
        return wire.AddonProvidersAnswer([])
    return wire.AddonProvidersAnswer([_provider(service, each) for each in service.catalogue.offered])


def list_plans(service: Service, key: str) -> wire.PlansAnswer:
    """The plans of a technology, by its slug or an alias of it."""
    technology = service.catalogue.technology(key)
    if technology is None:
        raise NotFound("Addon provider not found")
    return wire.PlansAnswer([show_plan(technology, plan) for plan in technology.plans])


def list_categories() -> wire.AddonCategoriesAnswer:
    return wire.AddonCategoriesAnswer([_CATEGORY])


def show_plan(technology: Technology, plan: Plan) -> wire.Plan:
    return wire.Plan(
        id=plan.id,
        name=plan.name,
        display_name=plan.display_name,
        description=plan.description,
        position=plan.position,
        properties=wire.PlanProperties(
            plan.memory_mb, plan.memory_mb + technology.overhead_mb, plan.disk_mb, plan.connections, plan.cpu
        ),
        pricings=_FREE,
        sku=plan.name,
    )


def _provider(service: Service, technology: Technology) -> wire.AddonProvider:
    return wire.AddonProvider(
        id=technology.slug,
        name=technology.name,
        short_description=technology.description,
        description=technology.description,
        category=_CATEGORY,
        provider_name="dbyard",
        provider_url="",
        logo_url="",
        hds_available=False,
        versions=[
            wire.ServerVersion(
                version=each.version,
                server=each.server,
                licence=each.licence,
                default=each.default,
                on_request=each.on_request,
                works_with=each.works_with,
                lacks=each.lacks,
                notice=each.notice,
                installed=service.installed(each.technology, each.version) is not None,
            )
            for each in technology.versions
        ],
        plans=[show_plan(technology, plan) for plan in technology.plans],
    )
