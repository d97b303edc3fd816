"""The ASGI application: the route table bound to one platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route as StarletteRoute
from starlette.types import Receive, Scope, Send

from dbyard.catalogue import Catalogue
from dbyard.metrics import Metrics
from dbyard.service import Service
from dbyard.web import (
    addons,
    apps,
    auth,
    catalogue,
    collaborators,
    databases,
    dbapi,
    dbtypes,
    dbusers,
    docs,
    events,
    firewall,
    logs,
    platform,
    projects,
    tokens,
    users,
)
from dbyard.web.endpoint import Endpoint, Platform
from dbyard.web.guard import Guard
from dbyard.web.limits import RateLimit
from dbyard.web.routes import Route, route

THREADS = 8
"""Enough to wait for disks; writers take turns anyway."""


class App(Starlette):
    """An encoded slash is part of a name, not of a path; no name has one, so it leads nowhere."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw: bytes = scope.get("raw_path", b"")
        if b"%2" in raw and b"%2f" in raw.lower():
            scope["path"] = raw.decode("latin-1")
        await super().__call__(scope, receive, send)


def create_app(service: Service, metrics: Metrics, *, rate_limit: int = 0) -> Starlette:
    """The application; its threads end with its lifespan. `rate_limit` is of requests a minute, 0 for any number."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="http")
    guard = Guard(service, metrics, pool, RateLimit(rate_limit) if rate_limit else None)
    shared = Platform(service, metrics, pool, guard)
    routes = list_routes(service.catalogue, limited=rate_limit > 0)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        pool.shutdown()

    app = App(
        routes=[StarletteRoute(each.path, Endpoint(shared, each)) for each in routes],
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.router.default = Endpoint(shared, route("(unknown)"))
    return app


def list_routes(known: Catalogue, *, limited: bool = False) -> Sequence[Route]:
    """Everything that the platform answers, the busiest first; its description knows whether requests are limited."""
    documented = [
        *databases.routes(),
        *apps.routes(),
        *addons.routes(),
        *dbapi.routes(),
        *dbtypes.routes(),
        *logs.routes(),
        *dbusers.routes(),
        *firewall.routes(),
        *auth.routes(),
        *collaborators.routes(),
        *projects.routes(),
        *tokens.routes(),
        *events.routes(),
        *users.routes(),
        *catalogue.routes(),
    ]
    return [*documented, *platform.routes(known, documented, limited=limited), *docs.routes()]
