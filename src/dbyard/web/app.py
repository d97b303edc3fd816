"""The ASGI application: the route table bound to one platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.routing import Route as StarletteRoute
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send

from dbyard.catalogue import Catalogue
from dbyard.metrics import Metrics
from dbyard.service import Service
from dbyard.web.api import (
    accounts,
    audit,
    collaborators,
    databases,
    deleted_backups,
    docs,
    imports,
    logs,
    platform,
    projects,
    settings,
    tokens,
)
from dbyard.web.authentication import Guard
from dbyard.web.daemon_threads import DaemonThreads
from dbyard.web.endpoint import HttpEndpoint, Shared
from dbyard.web.rate_limit import RateLimit
from dbyard.web.routes import Route, route
from dbyard.web.scalingo import (
    actions,
    addons,
    apps,
    authentication,
    backups,
    catalogue,
    dashboard,
    database_types,
    database_users,
    details,
    endpoints,
    events,
    firewall,
    moments,
    unsupported,
)
from dbyard.web.scalingo import collaborators as app_collaborators
from dbyard.web.scalingo import logs as log_links
from dbyard.web.shares import Shares
from dbyard.web.sockets import SocketEndpoint

THREADS = 8
"""Enough to wait for disks; writers take turns anyway."""
DOWNLOADS = 8
"""Threads that read an archive, which may be slow or answer nothing for minutes: nobody else waits for them."""
THREADS_FOR_ONE_DATABASE, THREADS_FOR_ONE_ACCOUNT = 2, 6
"""So that others are answered, whatever they wait for."""
UPLOADS, UPLOADS_FOR_ONE_ACCOUNT = 6, 2
"""At once; others wait, and their clients with them."""


class App(Starlette):
    """An encoded slash is part of a name, not of a path; no name has one, so it leads nowhere."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw: bytes = scope.get("raw_path", b"")
        if b"%2" in raw and b"%2f" in raw.lower():
            scope["path"] = raw.decode("latin-1")
        await super().__call__(scope, receive, send)


def create_app(service: Service, metrics: Metrics, *, rate_limit: int = 0) -> Starlette:
    """The application; its threads end with its lifespan. `rate_limit` is in requests a minute, 0 for no limit."""
    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="http")
    downloads = DaemonThreads(DOWNLOADS, "download")
    guard = Guard(service, metrics, pool, RateLimit(rate_limit) if rate_limit else None)
    shares = Shares(THREADS_FOR_ONE_DATABASE), Shares(THREADS_FOR_ONE_ACCOUNT)
    upload_pool = ThreadPoolExecutor(UPLOADS, thread_name_prefix="upload")
    uploads = Shares(UPLOADS_FOR_ONE_ACCOUNT)
    shared = Shared(service, metrics, pool, downloads, guard, *shares, uploads, upload_pool, unsupported.explain)
    routes = list_routes(service.catalogue, limited=rate_limit > 0)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        pool.shutdown()
        upload_pool.shutdown()

    sockets = [WebSocketRoute(each.path, SocketEndpoint(shared, each)) for each in routes if each.socket]
    app = App(
        routes=[*(StarletteRoute(each.path, HttpEndpoint(shared, each)) for each in routes), *sockets],
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.router.default = _Unknown(HttpEndpoint(shared, route("(unknown)")), SocketEndpoint(shared, route("(unknown)")))
    return app


@dataclass(frozen=True, slots=True)
class _Unknown:
    """What answers at all other paths."""

    http: HttpEndpoint
    socket: SocketEndpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self.socket if scope["type"] == "websocket" else self.http)(scope, receive, send)


def list_routes(known: Catalogue, *, limited: bool = False) -> Sequence[Route]:
    """Everything that the platform answers; its description says whether requests are limited."""
    documented = [
        *databases.routes(dashboard.get, dashboard.list_all),
        *settings.routes(),
        *imports.routes(),
        *logs.routes(),
        *apps.routes(),
        *addons.routes(),
        *details.routes(),
        *database_types.routes(),
        *log_links.routes(),
        *database_users.routes(),
        *actions.routes(),
        *backups.routes(),
        *deleted_backups.routes(),
        *moments.routes(),
        *endpoints.routes(),
        *firewall.routes(),
        *authentication.routes(),  # before those that have a parameter where these have a word
        *app_collaborators.routes(),
        *collaborators.routes(),
        *audit.routes(),
        *events.routes(),
        *catalogue.routes(),
        *projects.routes(),
        *tokens.routes(),
        *accounts.routes(),
    ]
    return [*documented, *platform.routes(known, documented, unsupported.explain, limited=limited), *docs.routes()]
