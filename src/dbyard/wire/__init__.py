"""The HTTP contract as msgspec structs: every body that the API reads or answers, shared by the server and the client.

A field that may be absent has a default; unknown keys are ignored everywhere. Dates are RFC 3339 in UTC. What the
Database API answers is in `details`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Date = Annotated[datetime, Meta(tz=True)]

# ---- databases --------------------------------------------------------------------------------------------------


class App(Struct, frozen=True):
    """The app that a database is for the clients of Scalingo's API: the same id and name."""

    id: str
    name: str


class Database(Struct, frozen=True):
    id: str
    name: str
    project_id: str
    technology: str
    plan: str
    app: App


class DatabaseAnswer(Struct, frozen=True):
    database: Database


class DatabasesAnswer(Struct, frozen=True):
    databases: list[Database]


class NewDatabase(Struct, frozen=True, omit_defaults=True):
    """What a client sends to create a database; the server also accepts other keys and no wrapper."""

    name: str
    technology: str
    plan: str
    project_id: str | None = None
    version: str | None = None


class CreateDatabase(Struct, frozen=True):
    database: NewDatabase


class Connection(Struct, frozen=True):
    url: str
    host: str
    port: int
    user: str
    password: str
    database: str
    ca_certificate: str

    def __repr__(self) -> str:
        return f"Connection(host={self.host!r}, port={self.port!r}, user={self.user!r})"


class ConnectionAnswer(Struct, frozen=True):
    connection: Connection


class LogsAnswer(Struct, frozen=True):
    """The last lines that the server wrote to its own log, oldest first."""

    lines: list[str]


# ---- operations -------------------------------------------------------------------------------------------------


class OperationError(Struct, frozen=True):
    code: str
    message: str


class OperationStep(Struct, frozen=True):
    """A step that was done (`outcome` is `done`), or an attempt that failed (`outcome` is its cause)."""

    step: str
    at: Date
    outcome: str
    message: str


class OperationProgress(Struct, frozen=True):
    """How far a long step has come, in `unit`s; `total` is null while it is not known."""

    done: float
    total: float | None
    unit: str


class Operation(Struct, frozen=True):
    """`status` is pending, running, done or error; `step` is the one that runs now, or ran last.

    `cancellable` and `retriable` say what may be asked of it now.
    """

    id: str
    kind: str
    status: str
    step: str
    attempt: int
    error: OperationError | None
    steps: list[OperationStep]
    created_at: Date
    finished_at: Date | None
    deadline_at: Date
    progress: OperationProgress | None = None
    cancellable: bool = False
    retriable: bool = False


class OperationAnswer(Struct, frozen=True):
    operation: Operation


class OperationsAnswer(Struct, frozen=True):
    """Newest first."""

    operations: list[Operation]


# ---- tokens -----------------------------------------------------------------------------------------------------


class Token(Struct, frozen=True):
    """`token` is the bearer value: it is in the answer that created or renewed it and never again.

    `project_id` is the only project that it is good for, `expires_at` when it ends by itself; null for all, never.
    """

    id: str
    name: str
    created_at: Date
    issued_at: Date
    last_used_at: Date | None
    scope: str
    project_id: str | None
    expires_at: Date | None
    token: str | UnsetType = UNSET

    def __repr__(self) -> str:
        return f"Token(id={self.id!r}, name={self.name!r})"


class TokenAnswer(Struct, frozen=True):
    token: Token


class TokensAnswer(Struct, frozen=True):
    tokens: list[Token]


class NewToken(Struct, frozen=True, omit_defaults=True):
    """What is left out is as of the token that asks. It ends `expires_in` seconds from now, or at `expires_at`."""

    name: str
    scope: Literal["read", "write", "admin"] | None = None
    project_id: str | None = None
    expires_in: Annotated[int, Meta(ge=1, le=10 * 365 * 86400)] | None = None
    expires_at: Date | None = None


class CreateToken(Struct, frozen=True):
    token: NewToken


# ---- the catalogue ----------------------------------------------------------------------------------------------


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

    `works_with` and `lacks` say what a client may rely on and what not, `notice` what whoever installs it has to know.
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


# ---- errors and the platform itself -----------------------------------------------------------------------------


class Error(Struct, frozen=True):
    """What every refusal answers, except 422."""

    error: str


class NotUsable(Struct, frozen=True):
    """409 on a database that cannot be used now: which operation is at work, if any."""

    error: str
    current_operation_id: str | None


class Errors(Struct, frozen=True):
    """422: each wrong field by its bare name, with its messages."""

    errors: dict[str, list[str]]


class Health(Struct, frozen=True):
    status: str
    version: str
