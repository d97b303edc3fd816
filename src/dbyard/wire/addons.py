"""The one addon of an app: the plan of a database, and the variables with its URL."""

from __future__ import annotations

from msgspec import Struct

from dbyard.wire import Date
from dbyard.wire.catalogue import Plan


class ProviderOf(Struct, frozen=True):
    id: str
    name: str
    logo_url: str


class Addon(Struct, frozen=True):
    """`status` is provisioning, running or suspended (it never got ready)."""

    id: str
    app_id: str
    resource_id: str
    status: str
    plan: Plan
    addon_provider: ProviderOf
    provisioned_at: Date | None
    deprovisioned_at: Date | None
    updated_at: Date


class AddonAnswer(Struct, frozen=True):
    addon: Addon


class AddonsAnswer(Struct, frozen=True):
    """One, always."""

    addons: list[Addon]


class AddonWithToken(Addon, frozen=True):
    token: str

    def __repr__(self) -> str:
        return f"AddonWithToken(id={self.id!r})"


class AddonTokenAnswer(Struct, frozen=True):
    addon: AddonWithToken


class NewPlan(Struct, frozen=True):
    plan_id: str


class ChangeAddon(Struct, frozen=True):
    addon: NewPlan


class ChangedAddonAnswer(Struct, frozen=True):
    """The addon with its new plan; the names of the variables with its URL stand under both keys that clients read."""

    addon: Addon
    message: str
    variables: list[str]
    vars: list[str]


class Variable(Struct, frozen=True):
    id: str
    name: str
    value: str

    def __repr__(self) -> str:
        return f"Variable(name={self.name!r})"


class VariablesAnswer(Struct, frozen=True):
    variables: list[Variable]
