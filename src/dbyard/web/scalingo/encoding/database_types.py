"""Technologies as the types of the Database API. Their ids are the same on every platform."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256

from dbyard.model import Technology, Version
from dbyard.model.times import to_datetime_or_none
from dbyard.service.catalogue import InstalledVersion
from dbyard.wire import database_types as wire


def encode_all(technologies: Sequence[Technology]) -> wire.DatabaseTypesAnswer:
    return wire.DatabaseTypesAnswer([_type(each) for each in technologies])


def encode(technology: Technology) -> wire.DatabaseTypeAnswer:
    return wire.DatabaseTypeAnswer(_type(technology))


def encode_version(build: InstalledVersion) -> wire.DatabaseTypeVersionAnswer:
    """The numbers of the build that would run here; those of the version alone where none is installed."""
    major, minor, patch = ([*map(int, re.findall("[0-9]+", build.full_version)), 0, 0])[:3]
    installed_at = to_datetime_or_none(build.installed_at)
    return wire.DatabaseTypeVersionAnswer(
        wire.DatabaseTypeVersion(
            version_id(build.technology, build.version),
            type_id(build.technology),
            major=major,
            minor=minor,
            patch=patch,
            created_at=installed_at,
            updated_at=installed_at,
        )
    )


def type_id(technology: Technology) -> str:
    return _id(technology.type_name)


def version_id(technology: Technology, version: Version) -> str:
    return _id(technology.type_name, version.version)


def _type(technology: Technology) -> wire.DatabaseType:
    return wire.DatabaseType(type_id(technology), technology.slug, technology.name, technology.description)


def _id(*names: str) -> str:
    return sha256("@".join(names).encode()).hexdigest()[:24]
