"""Settings of a database's server on the wire."""

from __future__ import annotations

from msgspec import Struct


class Setting(Struct, frozen=True):
    """A setting by its server's own name. It takes one of `values`, or if there are none what fits `pattern`."""

    name: str
    value: str
    default: str
    description: str
    values: list[str]
    pattern: str
    fixed: bool = False
    """Chosen when a database is created, and never again."""


class SettingsAnswer(Struct, frozen=True):
    """`current_operation_id` is null when the server has all of them already."""

    settings: list[Setting]
    current_operation_id: str | None


class ChangeSettings(Struct, frozen=True):
    """Values by name, null for the default; settings that are not named stay."""

    settings: dict[str, str | None]
