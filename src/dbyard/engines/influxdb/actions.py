"""What an owner may have done in a server: how long points are kept that are written to a policy of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbyard.engines.influxdb.access import POLICY
from dbyard.engines.influxdb.session import STATEMENT_SECONDS, ask, identifier, rows
from dbyard.errors import TemporaryError
from dbyard.model import Action, ActionParameter, Address, Credentials

_NAME = ActionParameter(
    r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", rule="should have between 1 and 64 letters, digits and any of _.-"
)
_DURATION = ActionParameter(
    r"INF|([1-9][0-9]{0,5}[mhdw])+", rule="should be a time such as 12h, 30d or 52w, or INF for ever"
)
_DEFAULT = ActionParameter(type=bool, rule="should be true or false: whether points go there that name no policy")


def list_policies(address: Address, credentials: Credentials, _values: Mapping[str, Any]) -> object:
    wanted = [f"SHOW RETENTION POLICIES ON {identifier(credentials.database)}"]
    (found,) = ask(address, credentials.admin_password, wanted, STATEMENT_SECONDS)
    return [{"name": row["name"], "duration": row["duration"], "default": row["default"]} for row in rows(found)]


def add_policy(address: Address, credentials: Credentials, values: Mapping[str, Any]) -> object:
    default = " DEFAULT" if values["default"] else ""
    statement = (
        f"CREATE RETENTION POLICY {identifier(values['name'])} ON {identifier(credentials.database)}"
        f" DURATION {values['duration']} REPLICATION 1{default}"
    )
    ask(address, credentials.admin_password, [statement], STATEMENT_SECONDS)
    return None


def delete_policy(address: Address, credentials: Credentials, values: Mapping[str, Any]) -> object:
    """With the points that were written to it. One is the platform's, whose duration is a setting of the database."""
    if values["name"] == POLICY:
        raise TemporaryError(f"{POLICY} is protected: its duration is the setting retention", code="protected")
    statement = f"DROP RETENTION POLICY {identifier(values['name'])} ON {identifier(credentials.database)}"
    ask(address, credentials.admin_password, [statement], STATEMENT_SECONDS)
    return None


ACTIONS = {
    "list-retention-policies": Action(list_policies),
    "add-retention-policy": Action(
        add_policy, {"name": _NAME, "duration": _DURATION, "default": _DEFAULT}, changes=True
    ),
    "del-retention-policy": Action(delete_policy, {"name": _NAME}, changes=True),
}
