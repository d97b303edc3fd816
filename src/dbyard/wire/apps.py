"""The app that each database is for the clients of Scalingo's API."""

from __future__ import annotations

from msgspec import Struct

from dbyard.wire import Date


class Owner(Struct, frozen=True):
    id: str
    username: str
    email: str


class AppProject(Struct, frozen=True):
    id: str
    name: str


class AppDetails(Struct, frozen=True):
    """`status` is new, running, restarting or stopped. An app of ours has no code: no repository, no web address."""

    id: str
    name: str
    owner: Owner
    project: AppProject
    region: str
    status: str
    flags: dict[str, bool]
    created_at: Date
    updated_at: Date
    url: str = ""
    base_url: str = ""
    git_url: str = ""
    stack_id: str = ""
    last_deployed_at: Date | None = None
    last_deployed_by: str = ""
    limits: dict[str, int] = {}
    links: dict[str, str] = {}
    force_https: bool = False
    sticky_session: bool = False
    router_logs: bool = False
    hds_resource: bool = False
    private_networks_ids: list[str] = []


class AppAnswer(Struct, frozen=True):
    """Clients read this as a map of apps: nothing else may stand beside it."""

    app: AppDetails


class AppsAnswer(Struct, frozen=True):
    """Newest last, and nothing else beside it."""

    apps: list[AppDetails]


class UpdateApp(Struct, frozen=True):
    project_id: str


class RenameApp(Struct, frozen=True):
    """`current_name` shows that the client means this app."""

    current_name: str
    new_name: str


class AppOperation(Struct, frozen=True):
    """`status` is pending, running, done or error."""

    id: str
    type: str
    status: str
    created_at: Date
    finished_at: Date | None
    error: str | None


class AppOperationAnswer(Struct, frozen=True):
    operation: AppOperation


class Drain(Struct, frozen=True):
    app_id: str
    url: str


class DrainsAnswer(Struct, frozen=True):
    """None, always."""

    drains: list[Drain]


class ResourceError(Struct, frozen=True):
    """404 on an app, and on what hangs on one."""

    resource: str
    error: str
