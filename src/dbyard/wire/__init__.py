"""The HTTP contract as msgspec structs: every body that the API reads or answers, shared by the server and the client.

A field that may be absent has a default; unknown keys are ignored everywhere. Dates are RFC 3339 in UTC.
Databases, their operations and errors are here, the other resources in modules of their own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

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
    settings: dict[str, str | None] | None = None
    """Of its server, by name; see `GET /v1/databases/{database}/settings`."""


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
    forms: dict[str, str] = {}
    """The URL as some clients want it, by name: `jdbc`, `sqlalchemy`, …; none for a technology that needs none."""

    def __repr__(self) -> str:
        return f"Connection(host={self.host!r}, port={self.port!r}, user={self.user!r})"


class ConnectionAnswer(Struct, frozen=True):
    connection: Connection


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
    """`unknown_instances`: servers of this home that its state does not know, as after an older one was put back."""

    status: str
    version: str
    unknown_instances: int = 0
