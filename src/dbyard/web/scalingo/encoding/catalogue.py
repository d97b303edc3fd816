"""Technologies as addon providers, and their plans."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dbyard.model import Plan, Technology, Version
from dbyard.wire import catalogue as wire

CATEGORY = wire.Category(id="databases", name="Databases", description="Database servers", position=1)
_NAMES = {"redis": "Redis® OSS"}
"""Those of Scalingo that its clients look for, where ours are others."""
_FREE = {"default": wire.Price(price="0.0", currency="EUR", period="minute")}


def encode_all(
    technologies: Sequence[Technology], is_installed: Callable[[Version], bool]
) -> wire.AddonProvidersAnswer:
    return wire.AddonProvidersAnswer([_provider(each, is_installed) for each in technologies])


def encode_plans(technology: Technology) -> wire.PlansAnswer:
    return wire.PlansAnswer([encode_plan(technology, plan) for plan in technology.plans])


def encode_plan(technology: Technology, plan: Plan) -> wire.Plan:
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


def provider_name(technology: Technology) -> str:
    return _NAMES.get(technology.slug, technology.name)


def _provider(technology: Technology, is_installed: Callable[[Version], bool]) -> wire.AddonProvider:
    taken = technology.pick(is_installed)
    return wire.AddonProvider(
        id=technology.slug,
        name=provider_name(technology),
        short_description=technology.description,
        description=technology.description,
        category=CATEGORY,
        provider_name="dbyard",
        provider_url="",
        logo_url="",
        hds_available=False,
        versions=[_version(each, is_installed(each), default=each == taken) for each in technology.versions],
        plans=[encode_plan(technology, plan) for plan in technology.plans],
    )


def _version(version: Version, installed: bool, *, default: bool) -> wire.ServerVersion:
    return wire.ServerVersion(
        version=version.version,
        server=version.server,
        licence=version.licence,
        default=default,
        on_request=version.on_request,
        works_with=version.works_with,
        lacks=version.lacks,
        notice=version.notice,
        installed=installed,
    )
