"""The platform itself: its health, its metrics and its OpenAPI document."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import dbyard
from dbyard import wire
from dbyard.catalogue import Catalogue
from dbyard.errors import Unavailable
from dbyard.metrics import CONTENT_TYPE
from dbyard.model import Scope
from dbyard.service import counts
from dbyard.web import openapi
from dbyard.web.routes import Call, Explain, Method, Route, route


def routes(catalogue: Catalogue, documented: Sequence[Route], explain: Explain, *, limited: bool) -> list[Route]:
    """These and the `documented` ones are in the OpenAPI document, which is made when it is first asked for."""

    @cache
    def describe() -> bytes:
        return openapi.render([*documented, *own], catalogue, explain, limited=limited)

    document = Method(lambda _call: describe(), "This document", None, public=True)
    own = [route("/healthz", get=_HEALTH), route("/metrics", get=_METRICS), route("/openapi.json", get=document)]
    return own


def health(call: Call) -> wire.Health:
    """Raises Unavailable while the platform cannot do its work, such as on a disk that cannot be written."""
    trouble = call.service.trouble()
    if trouble is not None:
        raise Unavailable(trouble)
    return wire.Health(status="ok", version=dbyard.__version__, unknown_instances=call.service.unknown_instances())


def metrics(call: Call) -> bytes:
    databases, operations = counts.count(call.service)
    return call.metrics.render(databases, operations)


_HEALTH = Method(
    health,
    "Whether the platform works; 503 says what keeps it from that",
    wire.Health,
    public=True,
    limited=False,
    errors={503: wire.Error},
)
_METRICS = Method(
    metrics,
    "Figures for Prometheus; an admin's token is needed",
    None,
    blocking=True,
    scope=Scope.ADMIN,
    media=CONTENT_TYPE,
)
