"""Technologies as the types of the Database API. Their ids are the same on every platform."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from dbyard.model import Technology, Version
from dbyard.wire import database_types as wire


def encode_all(technologies: Sequence[Technology]) -> wire.DatabaseTypesAnswer:
    return wire.DatabaseTypesAnswer([_type(each) for each in technologies])


def encode(technology: Technology) -> wire.DatabaseTypeAnswer:
    return wire.DatabaseTypeAnswer(_type(technology))


def encode_version(technology: Technology, version: Version) -> wire.DatabaseTypeVersionAnswer:
    major, minor, patch = ([*map(int, version.version.split(".")), 0, 0])[:3]
    key = version_id(technology, version)
    return wire.DatabaseTypeVersionAnswer(
        wire.DatabaseTypeVersion(key, type_id(technology), major=major, minor=minor, patch=patch)
    )


def type_id(technology: Technology) -> str:
    return _id(technology.type_name)


def version_id(technology: Technology, version: Version) -> str:
    return _id(technology.type_name, version.version)


def _type(technology: Technology) -> wire.DatabaseType:
    return wire.DatabaseType(type_id(technology), technology.slug, technology.name, technology.description)


def _id(*names: str) -> str:
    return sha256("@".join(names).encode()).hexdigest()[:24]
