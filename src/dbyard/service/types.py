"""Database types: what the Database API calls technologies. Their ids are the same on every platform."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from dbyard.errors import NotFound
from dbyard.model import Technology, Version
from dbyard.service import Service
from dbyard.wire import details as wire


def list_types(service: Service) -> wire.DatabaseTypesAnswer:
    return wire.DatabaseTypesAnswer([_type(each) for each in service.catalogue.technologies.values()])


def get_type(service: Service, key: str) -> wire.DatabaseTypeAnswer:
    """By id, else by slug."""
    technologies = service.catalogue.technologies
    found = next((each for each in technologies.values() if type_id(each) == key), technologies.get(key))
    if found is None:
        raise NotFound("Database type not found")
    return wire.DatabaseTypeAnswer(_type(found))


def get_version(service: Service, key: str) -> wire.DatabaseTypeVersionAnswer:
    found = next((each for each in _versions(service) if version_id(*each) == key), None)
    if found is None:
        raise NotFound("Database type version not found")
    technology, version = found
    major, minor, patch = ([*map(int, version.version.split(".")), 0, 0])[:3]
    return wire.DatabaseTypeVersionAnswer(
        wire.DatabaseTypeVersion(key, type_id(technology), major=major, minor=minor, patch=patch)
    )


def type_id(technology: Technology) -> str:
    return _id(technology.type_name)


def version_id(technology: Technology, version: Version) -> str:
    return _id(technology.type_name, version.version)


def _versions(service: Service) -> Iterator[tuple[Technology, Version]]:
    for technology in service.catalogue.technologies.values():
        for version in technology.versions:
            yield technology, version


def _type(technology: Technology) -> wire.DatabaseType:
    return wire.DatabaseType(type_id(technology), technology.slug, technology.name, technology.description)


def _id(*names: str) -> str:
    return sha256("@".join(names).encode()).hexdigest()[:24]
