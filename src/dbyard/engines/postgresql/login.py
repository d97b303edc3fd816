"""Whether the tenant gets in, as its own clients try it."""

from __future__ import annotations

import json

from dbyard.engines.postgresql.session import ANSWER_SECONDS, Held, Unanswered, connect, literal, ping
from dbyard.errors import LockedOut, NotReady, TemporaryError, WrongPassword
from dbyard.model import Address, Credentials

_ANSWER_SECONDS = 2.0
_LEAST_MS = 30
"""A time limit shorter than that leaves a session no time to do anything."""
_LIMITS = ("statement_timeout", "transaction_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout")


def check_login(address: Address, credentials: Credentials) -> None:
    """A statement that is not answered is a lockout when the server answers its admin: its settings make it wait."""
    try:
        _try_statements(address, credentials)
    except Held:
        return
    except Unanswered as error:
        ping(address, credentials)
        raise LockedOut(str(error)) from error
    except NotReady as error:
        _judge(address, credentials, str(error))
    except TemporaryError as error:
        raise LockedOut(str(error)) from error


def _try_statements(address: Address, credentials: Credentials) -> None:
    user, database = credentials.user, credentials.database
    with connect(
        address, credentials.password, user=user, database=database, options="", seconds=_ANSWER_SECONDS
    ) as session:
        names = ", ".join(map(literal, _LIMITS))
        (found,) = session.execute(
            f"SELECT pg_catalog.json_object_agg(name, setting) FROM pg_catalog.pg_settings WHERE name IN ({names})"  # noqa: S608
        )
    for name, setting in json.loads(found or "{}").items():
        if 0 < int(setting) < _LEAST_MS:
            raise LockedOut(f"its {name} ends everything after {setting} ms")


def _judge(address: Address, credentials: Credentials, said: str) -> None:
    """What the server said when it let nobody in; some of it is no fault of the tenant's, or no fault."""
    if "password authentication failed" in said:
        raise WrongPassword("the tenant has another password than the platform knows")
    if "FATAL" not in said or "the database system is" in said:
        raise NotReady(said)
    if "too many connections for" not in said and "remaining connection slots" not in said:
        raise LockedOut(said)
    if _allows_none(address, credentials):
        raise LockedOut(said)


def _allows_none(address: Address, credentials: Credentials) -> bool:
    with connect(address, credentials.admin_password, seconds=ANSWER_SECONDS) as session:
        (found,) = session.execute(
            f"""
            SELECT EXISTS (SELECT FROM pg_catalog.pg_database
                           WHERE datname = {literal(credentials.database)} AND datconnlimit = 0)
                OR EXISTS (SELECT FROM pg_catalog.pg_roles
                           WHERE rolname = {literal(credentials.user)} AND rolconnlimit = 0)
            """  # noqa: S608 - quoted by `literal`
        )
    return found == "t"
