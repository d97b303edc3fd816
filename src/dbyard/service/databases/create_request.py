"""The rules of a create request. Everything that is wrong with it is found at once, field by field."""

from __future__ import annotations

from dataclasses import dataclass

from dbyard.errors import Invalid
from dbyard.model import Plan, Release, Settings, Technology, Version
from dbyard.service import Service
from dbyard.service.databases import setting_rules
from dbyard.service.validation import NAME_TAKEN, FieldErrors, is_database_name, one_of
from dbyard.store import databases

NAME_RULE = (
    "should have between 6 and 48 lower case letters (a-z), digits and hyphens,"
    " with no hyphen at the beginning or at the end, nor two hyphens in a row"
)


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """What a client sent, not checked yet: every value may be absent (None) or of a wrong type."""

    name: object = None
    technology: object = None
    plan: object = None
    project_id: object = None
    version: object = None
    settings: object = None


@dataclass(frozen=True, slots=True)
class ValidRequest:
    """A create request that follows every rule but those that only the writing transaction can check."""

    name: str
    technology: Technology
    version: Version
    plan: Plan
    release: Release
    project_id: str | None
    settings: Settings


def validate(service: Service, request: CreateRequest) -> ValidRequest:
    """Raises Invalid with every wrong field."""
    wrong = FieldErrors()
    name = _name(request.name, wrong)
    technology = _technology(service, request.technology, wrong)
    version = _version(service, technology, request.version, wrong)
    plan = _plan(service, technology, request.plan, wrong)
    project_id = wrong.text("project_id", request.project_id) if request.project_id is not None else None
    release = _release(service, version, wrong)
    settings = _settings(technology, request.settings, wrong)
    if wrong or name is None or technology is None or version is None or plan is None or release is None:
        _note_taken(service, name, wrong)
        wrong.check()
        raise AssertionError("a value that is missing is a field that is wrong")
    return ValidRequest(name, technology, version, plan, release, project_id, settings)


def validate_plan(service: Service, technology: Technology, key: object) -> Plan:
    """The plan of the technology with that id or name; raises Invalid on `plan`."""
    wrong = FieldErrors()
    plan = _plan(service, technology, key, wrong)
    wrong.check()
    if plan is None:
        raise Invalid({"plan": ["is missing"]})
    return plan


def _name(value: object, wrong: FieldErrors) -> str | None:
    name = wrong.text("name", value, NAME_RULE)
    if name is not None and not is_database_name(name):
        wrong.add("name", NAME_RULE)
        return None
    return name


def _technology(service: Service, value: object, wrong: FieldErrors) -> Technology | None:
    rule = one_of(each.slug for each in service.catalogue.all)
    key = wrong.text("technology", value, rule)
    technology = service.catalogue.technology(key) if key is not None else None
    if key is not None and technology is None:
        wrong.add("technology", rule)
    return technology


def _version(service: Service, technology: Technology | None, value: object, wrong: FieldErrors) -> Version | None:
    if technology is None:
        return None
    if value is None:
        return technology.pick(lambda version: service.resolve(version.technology, version.version) is not None)
    found = next((version for version in technology.versions if version.version == value), None)
    if found is None:
        wrong.add("version", one_of(version.version for version in technology.versions))
    return found


def _plan(service: Service, technology: Technology | None, value: object, wrong: FieldErrors) -> Plan | None:
    rule = one_of(plan.name for plan in technology.plans) if technology else "should be a plan of the technology"
    key = wrong.text("plan", value, rule)
    if key is None:
        return None
    found = service.catalogue.plan(technology.slug, key) if technology else service.catalogue.find_plan(key)
    if found is None:
        other = service.catalogue.find_plan(key)
        wrong.add("plan", f"is a plan of {other.technology}: {rule}" if other else rule)
    return found


def _release(service: Service, version: Version | None, wrong: FieldErrors) -> Release | None:
    if version is None:
        return None
    found = service.resolve(version.technology, version.version)
    if found is None:
        asked = version.technology if version.default else f"{version.technology}@{version.version}"
        wrong.add(
            "technology", f"{version.server} is not installed on this machine: run `dbyard engines install {asked}`"
        )
    return found


def _settings(technology: Technology | None, value: object, wrong: FieldErrors) -> Settings:
    if technology is None or value is None:
        return {}
    try:
        return setting_rules.merge(technology, {}, value, exists=False)
    except Invalid as error:
        for message in error.fields["settings"]:
            wrong.add("settings", message)
        return {}


def _note_taken(service: Service, name: str | None, wrong: FieldErrors) -> None:
    """Report a taken name also for a request that is refused for other reasons."""
    with service.store.read() as connection:
        if name is not None and databases.is_taken(connection, name):
            wrong.add("name", NAME_TAKEN)
