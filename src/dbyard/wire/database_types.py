"""Technologies as the Database API names them."""

from __future__ import annotations

from msgspec import Struct

from dbyard.wire import Date


class DatabaseType(Struct, frozen=True):
    """A technology as the Database API names it."""

    id: str
    name: str
    short_description: str
    description: str
    logo_url: str = ""
    created_at: Date | None = None
    updated_at: Date | None = None


class DatabaseTypeAnswer(Struct, frozen=True):
    database_type: DatabaseType


class DatabaseTypesAnswer(Struct, frozen=True):
    database_types: list[DatabaseType]


class DatabaseTypeVersion(Struct, frozen=True):
    """A version of a technology; there is none to upgrade to."""

    id: str
    database_type_id: str
    major: int
    minor: int
    patch: int
    build: int = 0
    features: list[str] = []
    allowed_plugins: list[str] = []
    next_upgrade: None = None
    created_at: Date | None = None
    updated_at: Date | None = None


class DatabaseTypeVersionAnswer(Struct, frozen=True):
    database_type_version: DatabaseTypeVersion
