"""The rules of settings of a database's server: which there are, and what each takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dbyard import engines
from dbyard.engines import Configurable
from dbyard.errors import Invalid
from dbyard.model import Setting, Settings, Technology


def known(technology: Technology) -> Sequence[Setting]:
    engine = engines.load(technology.engine)
    return engine.SETTINGS if isinstance(engine, Configurable) else ()


def merge(technology: Technology, settings: Settings, changes: object, *, exists: bool) -> Settings:
    """The settings with what a client chose by name, None for the default; those that are the default are left out.

    `exists` says whether the database does already: some can be chosen for a new one alone. Raises Invalid.
    """
    if not isinstance(changes, dict) or (exists and not changes):
        raise Invalid({"settings": ["should be an object of values by name" + (", with one at least" * exists)]})
    found = {each.name: each for each in known(technology)}
    errors = [error for name, value in changes.items() if (error := _refuse(found, name, value, exists=exists))]
    if errors:
        raise Invalid({"settings": errors})
    merged: dict[str, str | None] = {**settings, **changes}
    return {name: value for name, value in merged.items() if value is not None and value != found[name].default}


def _refuse(found: Mapping[str, Setting], name: str, value: object, *, exists: bool) -> str | None:
    if name not in found:
        return f"{name}: there is no such setting; there are {', '.join(found) or 'none'}"
    setting = found[name]
    if setting.fixed and exists:
        return f"{name}: can be chosen only when a database is created"
    if value is None or (isinstance(value, str) and setting.takes(value)):
        return None
    return f"{name}: must be {' or '.join(setting.values)}" if setting.values else f"{name}: must fit {setting.pattern}"
