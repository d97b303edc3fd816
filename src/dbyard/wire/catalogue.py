"""What can be asked for: technologies as addon providers, their versions and plans."""

from __future__ import annotations

from msgspec import Struct


class Price(Struct, frozen=True):
    price: str
    currency: str
    period: str


class PlanProperties(Struct, frozen=True):
    """What a database of the plan may use: memory and disk in MB, connections at once, cpu in cores.

    `memory_mb` is for its work; the server as a whole is held to `memory_limit_mb`.
    """

    memory_mb: int
    memory_limit_mb: int
    disk_mb: int
    connections: int
    cpu: float


class Plan(Struct, frozen=True):
    id: str
    name: str
    display_name: str
    description: str
    position: int
    properties: PlanProperties
    price: float = 0.0
    pricings: dict[str, Price] = {}
    sku: str | None = None
    on_demand: bool = False
    disabled: bool = False
    disabled_alternative_plan_id: str | None = None
    to_be_discontinued: bool = False
    trial_available: bool = False
    hds_available: bool = False


class PlansAnswer(Struct, frozen=True):
    plans: list[Plan]


class Category(Struct, frozen=True):
    id: str
    name: str
    description: str
    position: int


class AddonCategoriesAnswer(Struct, frozen=True):
    addon_categories: list[Category]


class ServerVersion(Struct, frozen=True):
    """A version that can be asked for; `server` names the program that really answers.

    `works_with` and `lacks` say what a client may rely on and what not, `notice` what to know before it is installed.
    """

    version: str
    server: str
    licence: str
    default: bool
    on_request: bool
    works_with: str
    lacks: str
    notice: str
    installed: bool


class AddonProvider(Struct, frozen=True):
    """A technology; `id` is its slug."""

    id: str
    name: str
    short_description: str
    description: str
    category: Category
    provider_name: str
    provider_url: str
    logo_url: str
    hds_available: bool
    versions: list[ServerVersion]
    plans: list[Plan]


class AddonProvidersAnswer(Struct, frozen=True):
    addon_providers: list[AddonProvider]
