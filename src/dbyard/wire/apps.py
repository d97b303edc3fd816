"""The app that each database is for the clients of Scalingo's API, and its one addon."""

from __future__ import annotations

from msgspec import Struct

from dbyard.wire import Date, Plan


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
    """`current_name` shows that whoever asks knows which app it is."""

    current_name: str
    new_name: str


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


class DatabaseEndpoint(Struct, frozen=True):
    id: str
    database_id: str
    hostname: str
    port: int
    type: str


class EndpointsAnswer(Struct, frozen=True):
    endpoints: list[DatabaseEndpoint]


class NetPeering(Struct, frozen=True):
    id: str
    database_id: str


class NetPeeringsAnswer(Struct, frozen=True):
    """None, always."""

    net_peerings: list[NetPeering]


class ResourceError(Struct, frozen=True):
    """404 on an app, and on what hangs on one."""

    resource: str
    error: str
