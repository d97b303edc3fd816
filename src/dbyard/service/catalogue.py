"""What can be asked for: technologies, their versions and plans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dbyard.errors import NotFound
from dbyard.model import Database, Plan, Technology, Version
from dbyard.service import Service


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


def is_installed(service: Service, version: Version) -> bool:
    return service.resolve(version.technology, version.version) is not None


def technology_of(service: Service, database: Database) -> Technology:
    return service.catalogue.get(database.technology)


def plan_of(service: Service, database: Database) -> Plan:
    plan = service.catalogue.plan(database.technology, database.plan)
    if plan is None:
        raise LookupError(f"the plan {database.plan} is not in the catalogue any more")
    return plan
