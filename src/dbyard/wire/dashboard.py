"""A database, its app and its addon side by side."""

from __future__ import annotations

from msgspec import Struct

from dbyard.wire import Database
from dbyard.wire.addons import Addon
from dbyard.wire.apps import AppDetails


class DatabaseShown(Struct, frozen=True):
    database: Database
    app: AppDetails
    addon: Addon


class DatabaseSummary(Database, frozen=True):
    """`status` is creating, running, updating or stopped; `host` and `port` are null before they are certain."""

    status: str
    host: str | None
    port: int | None


class DashboardDatabase(Struct, frozen=True):
    app: AppDetails
    addon: Addon
    database: DatabaseSummary


class DashboardAnswer(Struct, frozen=True):
    databases: list[DashboardDatabase]
