"""What can be asked for: technologies, their versions and plans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dbyard.errors import NotFound
from dbyard.model import Database, Plan, Technology, Version
from dbyard.service import Service


@dataclass(frozen=True, slots=True)
class InstalledVersion:
    """A version of a technology as it is on this machine; `installed_at` is None where it is not."""

    technology: Technology
    version: Version
    full_version: str
    installed_at: float | None


def list_all(service: Service) -> Sequence[Technology]:
    """All that clients can ask for."""
    return service.catalogue.all


def get(service: Service, key: str) -> Technology:
    """By slug or alias."""
    technology = service.catalogue.technology(key)
    if technology is None:
        raise NotFound("Technology not found", resource="technology")
    return technology


def list_server_types(service: Service) -> Sequence[Technology]:
    """The technologies that servers have; each variant runs on the servers of one of these."""
    return list(service.catalogue.technologies.values())


def list_versions(service: Service) -> Iterator[tuple[Technology, Version]]:
    for technology in list_server_types(service):
        for version in technology.versions:
            yield technology, version


def find_installed(service: Service, technology: Technology, version: Version) -> InstalledVersion:
    """The build of this version that would run."""
    release = service.resolve(version.technology, version.version)
    full_version = release.full_version if release else version.version
    return InstalledVersion(
        technology, version, full_version, service.installed_at(version.technology, version.version)
    )


def find_plan(service: Service, key: str) -> Plan:
    """By name or id, of any technology."""
    for technology in service.catalogue.all:
        for plan in technology.plans:
            if key in (plan.name, plan.id):
                return plan
    raise NotFound("Plan not found", resource="plan")


def is_installed(service: Service, version: Version) -> bool:
    return service.resolve(version.technology, version.version) is not None


def technology_of(service: Service, database: Database) -> Technology:
    return service.catalogue.get(database.technology)


def plan_of(service: Service, database: Database) -> Plan:
    plan = service.catalogue.plan(database.technology, database.plan)
    if plan is None:
        raise LookupError(f"the plan {database.plan} is not in the catalogue any more")
    return plan
