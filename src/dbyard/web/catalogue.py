"""`/v1/addon_providers` and `/v1/addon_categories`: what can be asked for. No token is needed to look at the menu."""

from __future__ import annotations

from dbyard import wire
from dbyard.service import plans
from dbyard.web.routes import Call, Parameter, Route, Verb, route


def routes() -> list[Route]:
    return [
        route("/v1/addon_providers", get=_PROVIDERS),
        route("/v1/addon_providers/{technology}/plans", get=_PLANS),
        route("/v1/addon_categories", get=_CATEGORIES),
    ]


def list_providers(call: Call) -> wire.AddonProvidersAnswer:
    return plans.list_providers(call.service, call.query("category_id"))


def list_plans(call: Call) -> wire.PlansAnswer:
    return plans.list_plans(call.service, call.path["technology"])


def list_categories(_call: Call) -> wire.AddonCategoriesAnswer:
    return plans.list_categories()


_PROVIDERS = Verb(
    list_providers,
    "List the technologies with their versions and plans",
    wire.AddonProvidersAnswer,
    public=True,
    waits=True,
    parameters=(Parameter("category_id", "query", "Only those of the category, all by default", {"type": "string"}),),
)
_CATEGORIES = Verb(list_categories, "List the categories of technologies", wire.AddonCategoriesAnswer, public=True)
_PLANS = Verb(
    list_plans,
    "List the plans of a technology",
    wire.PlansAnswer,
    public=True,
    parameters=(
        Parameter(
            "technology",
            "path",
            "The technology's slug, or an alias of it",
            {"type": "string"},
            required=True,
            source="/addon_providers/0/id",
        ),
    ),
    refusals={404: wire.Error},
)
