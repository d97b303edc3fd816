"""What an owner may have done in a server: its one database is listed, and emptied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbyard.engines.mongodb.session import STATEMENT_SECONDS, admin, refusals
from dbyard.errors import TemporaryError
from dbyard.model import Action, ActionParameter, Address, Credentials

_NAME = {"database_name": ActionParameter(r"[A-Za-z0-9_-]{1,63}", rule="should be the name of the database")}


def list_databases(_address: Address, credentials: Credentials, _values: Mapping[str, Any]) -> object:
    return [{"name": credentials.database, "protected": True}]


def reset_database(address: Address, credentials: Credentials, values: Mapping[str, Any]) -> object:
    """All of its collections are gone; its users stay, which are no part of it."""
    if values["database_name"] != credentials.database:
        raise TemporaryError(f"there is no database {values['database_name']}", code="no_database")
    with admin(address, credentials.admin_password, STATEMENT_SECONDS) as server, refusals("action_failed"):
        database = server[credentials.database]
        for name in database.list_collection_names():
            if not name.startswith("system."):
                database.drop_collection(name)
    return None


ACTIONS = {
    "list-databases": Action(list_databases),
    "reset-database": Action(reset_database, _NAME, changes=True),
}
