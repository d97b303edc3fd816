"""The rules of a create request. All that is wrong with it is found at once, field by field."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from dbyard import wire
from dbyard.errors import Invalid
from dbyard.model import Installation, Plan, Technology, Version
from dbyard.service import Service
from dbyard.store import databases

NAME_PATTERN = "^[a-z0-9]+(-[a-z0-9]+)*$"
NAME_RULE = (
    "should have between 6 and 48 lower case letters (a-z), digits and hyphens,"
    " with no hyphen at the beginning or at the end, nor two hyphens in a row"
)
NAME_TAKEN = "has already been taken"


@dataclass(frozen=True, slots=True)
class Choice:
    """A create request that follows every rule but those that only the writing transaction can check."""

    name: str
    technology: Technology
    version: Version
    plan: Plan
    installation: Installation
    project_id: str | None


def choose(service: Service, draft: wire.Draft) -> Choice:
    """What the draft asks for; raises Invalid with every wrong field."""
    wrong: dict[str, list[str]] = {}
    name = _name(draft, wrong)
    technology = _technology(service, draft, wrong)
    version = _version(service, technology, draft, wrong)
    plan = _plan(service, technology, draft, wrong)
    project_id = _text(draft.project_id, "project_id", wrong) if draft.project_id is not None else None
    installation = _installation(service, version, wrong)
    if wrong or name is None or technology is None or version is None or plan is None or installation is None:
        _note_taken(service, name, wrong)
        raise Invalid(wrong)
    return Choice(name, technology, version, plan, installation, project_id)


def choose_plan(service: Service, technology: Technology, key: object) -> Plan:
    """The plan of the technology by that id or name; raises Invalid on `plan`."""
    wrong: dict[str, list[str]] = {}
    plan = _plan(service, technology, wire.Draft(plan=key), wrong)
    if plan is None:
        raise Invalid(wrong)
    return plan


def _name(draft: wire.Draft, wrong: dict[str, list[str]]) -> str | None:
    name = _text(draft.name, "name", wrong, NAME_RULE)
    if name is not None and not (6 <= len(name) <= 48 and re.fullmatch(NAME_PATTERN, name)):
        wrong["name"] = [NAME_RULE]
        return None
    return name


def _technology(service: Service, draft: wire.Draft, wrong: dict[str, list[str]]) -> Technology | None:
    rule = _one_of(each.slug for each in service.catalogue.offered)
    key = _text(draft.technology, "technology", wrong, rule)
    technology = service.catalogue.technology(key) if key is not None else None
    if key is not None and technology is None:
        wrong["technology"] = [rule]
    return technology


def _version(
    service: Service, technology: Technology | None, draft: wire.Draft, wrong: dict[str, list[str]]
) -> Version | None:
    if technology is None:
        return None
    if draft.version is None:
        preferred = (each for each in technology.versions if each.preferred)
        installed = (each for each in preferred if service.installed(each.technology, each.version))
        return next(installed, technology.default_version)
    found = next((version for version in technology.versions if version.version == draft.version), None)
    if found is None:
        wrong["version"] = [_one_of(version.version for version in technology.versions)]
    return found


def _plan(
    service: Service, technology: Technology | None, draft: wire.Draft, wrong: dict[str, list[str]]
) -> Plan | None:
    rule = _one_of(plan.name for plan in technology.plans) if technology else "should be a plan of the technology"
    key = _text(draft.plan, "plan", wrong, rule)
    if key is None:
        return None
    found = service.catalogue.plan(technology.slug, key) if technology else service.catalogue.find_plan(key)
    if found is None:
        other = service.catalogue.find_plan(key)
        wrong["plan"] = [f"is a plan of {other.technology}: {rule}" if other else rule]
    return found


def _installation(service: Service, version: Version | None, wrong: dict[str, list[str]]) -> Installation | None:
    if version is None:
        return None
    found = service.installed(version.technology, version.version)
    if found is None:
        asked = version.technology if version.default else f"{version.technology}@{version.version}"
        wrong["technology"] = [
            f"{version.server} is not installed on this machine: run `dbyard engines install {asked}`"
        ]
    return found


def _note_taken(service: Service, name: str | None, wrong: dict[str, list[str]]) -> None:
    """A request that is refused anyway also learns that its name is taken."""
    with service.store.read() as connection:
        if name is not None and databases.is_taken(connection, name):
            wrong["name"] = [NAME_TAKEN]


def _text(value: object, field: str, wrong: dict[str, list[str]], rule: str | None = None) -> str | None:
    if isinstance(value, str):
        return value
    trouble = "is missing" if value is None else "should be a string"
    wrong[field] = [f"{trouble}: {rule}" if rule else trouble]
    return None


def _one_of(values: Iterable[str]) -> str:
    return "should be one of: " + ", ".join(values)
