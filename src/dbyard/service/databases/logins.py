"""Whether a database's tenant can log in just now: it can lock itself out, or drop its database, at any moment."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard.engines import Engine
from dbyard.errors import LockedOut, NotReady, StepError
from dbyard.model import Address, Credentials, Database
from dbyard.service import Service
from dbyard.service.databases import stats

_AGE = 10.0
"""Seconds for which a log-in that worked is not tried again."""


def find_error(service: Service, database: Database) -> LockedOut | None:
    """What its server says to a log-in of its tenant; None when it lets it in, or does not answer within a second."""
    try:
        account_id, engine, address, login = stats.prepare(service, database)
        service.logins.get(database.id, account_id, lambda: _log_in(engine, address, login), age=_AGE)
    except LockedOut as error:
        return error
    except (NotReady, StepError):  # a matter of its health
        return None
    return None


def _log_in(engine: Engine, address: Address, login: Credentials) -> Mapping[str, int | float]:
    engine.check_login(address, login)
    return {"logged_in": 1}
