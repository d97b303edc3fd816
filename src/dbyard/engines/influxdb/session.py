"""The platform's own requests: InfluxQL statements as the admin."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from dbyard.engines.http_session import Dropped, open_session
from dbyard.engines.influxdb.names import ADMIN
from dbyard.errors import LockedOut, NotReady, Stuck, TemporaryError, WrongPassword
from dbyard.model import Address, Credentials

ANSWER_SECONDS = 1.0
STATEMENT_SECONDS = 15.0
_FORM = "application/x-www-form-urlencoded"


class Refused(TemporaryError):
    """The server answers, and says no."""

    code = "configure_failed"


class Full(TemporaryError):
    """The server has as many connections as it may have, all of them its tenant's."""

    code = "held"


def ask(address: Address, password: str, statements: Sequence[str], seconds: float, user: str = ADMIN) -> list[Any]:
    """The result of each statement, asked as the admin or as another user.

    Raises NotReady without an answer, Full, and Refused by the first error.
    """
    if not statements:
        return []
    try:
        with open_session(address, user, password, seconds) as session:
            response = session.request("POST", "/query", urlencode({"q": ";".join(statements)}), _FORM)
        answer = json.loads(response.body)
    except Dropped as error:
        raise Full("InfluxDB takes no more connections") from error
    except ValueError as error:
        raise NotReady(str(error)) from error
    results: list[Any] = answer.get("results", [])
    for said in (part["error"] for part in (answer, *results) if "error" in part):
        raise Refused(f"InfluxDB refuses: {said}")
    return results


def rows(result: Any) -> list[dict[str, Any]]:
    """A result's rows by the names of their columns, of all its series."""
    return [
        dict(zip(series["columns"], values, strict=True))
        for series in result.get("series", ())
        for values in series.get("values", ())
    ]


def ping(address: Address, credentials: Credentials) -> None:
    """A server that is full by its tenant is ready all the same. One whose engine is closed answers with errors."""
    try:
        ask(address, credentials.admin_password, ["SHOW DATABASES"], ANSWER_SECONDS)
        wanted = [f"SHOW MEASUREMENTS ON {identifier(credentials.database)} LIMIT 1"]
        ask(address, credentials.admin_password, wanted, ANSWER_SECONDS)
    except Full:
        return
    except Refused as refused:
        if "database not found" not in str(refused):  # it is not made yet
            raise (NotReady if "authorization failed" in str(refused) else Stuck)(str(refused)) from refused


def check_login(address: Address, credentials: Credentials) -> None:
    """Writes go to the default retention policy, which a tenant can drop, and to a disk that may take none."""
    wanted = [f"SHOW RETENTION POLICIES ON {identifier(credentials.database)}"]
    try:
        (policies,) = ask(address, credentials.password, wanted, ANSWER_SECONDS, credentials.user)
    except Full:
        return
    except Refused as error:
        if "authorization failed" in str(error):
            raise WrongPassword("the tenant has another password than the platform knows") from error
        raise LockedOut(str(error)) from error
    if not any(row["default"] for row in rows(policies)):
        raise LockedOut("the database has no retention policy to write to")
    _check_writes(address, credentials)


def _check_writes(address: Address, credentials: Credentials) -> None:
    """The server writes its users down anew when one is given a right, also one that it has."""
    try:
        ask(address, credentials.admin_password, [f"GRANT ALL PRIVILEGES TO {identifier(ADMIN)}"], ANSWER_SECONDS)
    except Full:
        return
    except Refused as error:
        raise LockedOut(f"every write is refused: {error}") from error


def identifier(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
