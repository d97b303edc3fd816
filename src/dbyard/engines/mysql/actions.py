"""What an owner may have done in a server, as the tenant: databases beside the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dbyard.engines.mysql.names import SYSTEM_DATABASES
from dbyard.engines.mysql.session import identifier, log_in, message
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import Action, ActionParameter, Address, Credentials

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

_NAME = {
    "database_name": ActionParameter(
        r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", rule="should have between 1 and 64 letters, digits, hyphens and underscores"
    )
}
_SECONDS = 15.0
_LIST = "SELECT schema_name FROM information_schema.schemata ORDER BY schema_name"


def list_databases(address: Address, credentials: Credentials, _values: Mapping[str, Any]) -> object:
    with _as_tenant(address, credentials) as session:
        return [{"name": name, "protected": name == credentials.database} for name in _list(session)]


def create_database(address: Address, credentials: Credentials, values: Mapping[str, Any]) -> object:
    name = values["database_name"]
    with _as_tenant(address, credentials) as session:
        session.execute(f"CREATE DATABASE {identifier(name)}")
    return {"name": name, "protected": False}


def delete_database(address: Address, credentials: Credentials, values: Mapping[str, Any]) -> object:
    name = values["database_name"]
    if name == credentials.database:
        raise TemporaryError(f"{name} is protected: it goes with the whole database only", code="protected")
    with _as_tenant(address, credentials) as session:
        _check(session, name)
        session.execute(f"DROP DATABASE {identifier(name)}")
    return None


def reset_database(address: Address, credentials: Credentials, values: Mapping[str, Any]) -> object:
    """Everything in it is gone, and it is there with the same character set."""
    name = values["database_name"]
    with _as_tenant(address, credentials) as session:
        _check(session, name)
        session.execute(
            "SELECT default_character_set_name, default_collation_name FROM information_schema.schemata"
            " WHERE schema_name = %s",
            (name,),
        )
        row: Any = session.fetchone()
        session.execute(f"DROP DATABASE {identifier(name)}")
        session.execute(f"CREATE DATABASE {identifier(name)} CHARACTER SET {row[0]} COLLATE {row[1]}")
    return None


ACTIONS = {
    "list-databases": Action(list_databases),
    "create-database": Action(create_database, _NAME, changes=True),
    "delete-database": Action(delete_database, _NAME, changes=True),
    "reset-database": Action(reset_database, _NAME, changes=True),
}


@contextmanager
def _as_tenant(address: Address, credentials: Credentials) -> Iterator[Cursor]:
    import pymysql

    try:
        connection = log_in(address, credentials.user, credentials.password, None, seconds=_SECONDS)
    except pymysql.MySQLError as error:
        raise NotReady(message(error)) from error
    with connection, connection.cursor() as session:
        try:
            session.execute("SET SESSION lock_wait_timeout = 1")
            yield session
        except pymysql.MySQLError as error:
            raise TemporaryError(f"the server refuses: {message(error)}", code="refused") from error


def _list(session: Cursor) -> list[str]:
    session.execute(_LIST)
    rows: Any = session.fetchall()
    return [name for (name,) in rows if name.lower() not in SYSTEM_DATABASES]


def _check(session: Cursor, name: str) -> None:
    if name not in _list(session):
        raise TemporaryError(f"there is no database {name}", code="no_database")
