"""The ASGI application: the route table bound to one platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route as StarletteRoute

from dbyard.catalogue import Catalogue
from dbyard.metrics import Metrics
from dbyard.service import Service
from dbyard.web import addons, apps, catalogue, databases, dbapi, dbusers, platform, tokens
from dbyard.web.endpoint import Endpoint, Platform
from dbyard.web.routes import Route, route

THREADS = 8
"""Enough to wait for disks; writers take turns anyway."""


def create_app(service: Service, metrics: Metrics) -> Starlette:
    """The application; its threads end with its lifespan."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="http")
    shared = Platform(service, metrics, pool)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        pool.shutdown()

    app = Starlette(
        routes=[StarletteRoute(each.path, Endpoint(shared, each)) for each in list_routes(service.catalogue)],
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.router.default = Endpoint(shared, route("(unknown)"))
    return app


def list_routes(known: Catalogue) -> Sequence[Route]:
    """Everything that the platform answers, the busiest first."""
    documented = [
        *databases.routes(),
        *apps.routes(),
        *addons.routes(),
        *dbapi.routes(),
        *dbusers.routes(),
        *tokens.routes(),
        *catalogue.routes(),
    ]
    return [*documented, *platform.routes(known, documented)]
