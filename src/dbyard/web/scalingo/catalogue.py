"""`/v1/addon_providers` and `/v1/addon_categories`: what can be asked for. No token is needed to read the catalogue."""

from __future__ import annotations

from functools import partial

from dbyard import wire
from dbyard.errors import NotFound, RequestError
from dbyard.service import catalogue
from dbyard.web.routes import Call, Method, Parameter, Route, route
from dbyard.web.scalingo.encoding import catalogue as encoding
from dbyard.wire import catalogue as shapes

_CATEGORY_ID = Parameter("category_id", "query", "Only those of the category, all by default", {"type": "string"})
_TECHNOLOGY = Parameter(
    "technology",
    "path",
    "The technology's slug, or an alias of it",
    {"type": "string"},
    required=True,
    source="/addon_providers/0/id",
)


def routes() -> list[Route]:
    return [
        route("/v1/addon_providers", get=_PROVIDERS),
        route("/v1/addon_providers/{technology}/plans", get=_PLANS),
        route("/v1/addon_categories", get=_CATEGORIES),
    ]


def list_providers(call: Call) -> shapes.AddonProvidersAnswer:
    """All, or those of one category."""
    if call.query("category_id") not in (None, "", encoding.CATEGORY.id):
        return shapes.AddonProvidersAnswer([])
    return encoding.encode_all(catalogue.list_all(call.service), partial(catalogue.is_installed, call.service))


def not_found(_error: NotFound) -> RequestError:
    return NotFound("Addon provider not found")


def list_plans(call: Call) -> shapes.PlansAnswer:
    return encoding.encode_plans(catalogue.get(call.service, call.path["technology"]))


def list_categories(_call: Call) -> shapes.AddonCategoriesAnswer:
    return shapes.AddonCategoriesAnswer([encoding.CATEGORY])


_PROVIDERS = Method(
    list_providers,
    "List the technologies with their versions and plans",
    shapes.AddonProvidersAnswer,
    public=True,
    blocking=True,
    parameters=(_CATEGORY_ID,),
)
_PLANS = Method(
    list_plans,
    "List the plans of a technology",
    shapes.PlansAnswer,
    public=True,
    parameters=(_TECHNOLOGY,),
    errors={404: wire.Error},
    not_found=not_found,
)
_CATEGORIES = Method(list_categories, "List the categories of technologies", shapes.AddonCategoriesAnswer, public=True)
