"""What a server counts of itself."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard.engines.postgresql.render import RESERVED_CONNECTIONS
from dbyard.engines.postgresql.session import connect, literal
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import Address, Credentials

_NAMES = (
    "data_size",
    "current_connections",
    "max_connections",
    "transactions_committed",
    "transactions_rolled_back",
    "blocks_read",
    "blocks_hit",
    "temporary_bytes",
    "deadlocks",
)
_QUERY = f"""
    SELECT pg_catalog.pg_database_size(datname), numbackends,
           pg_catalog.current_setting('max_connections')::int - {RESERVED_CONNECTIONS},
           xact_commit, xact_rollback, blks_read, blks_hit, temp_bytes, deadlocks
    FROM pg_catalog.pg_stat_database WHERE datname = {{database}}
    """  # noqa: S608 - a number of ours, and what `literal` quotes


def stats(address: Address, credentials: Credentials) -> Mapping[str, int | float]:
    try:
        with connect(address, credentials.admin_password) as session:
            row = session.execute(_QUERY.format(database=literal(credentials.database)))
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    return {name: int(value or 0) for name, value in zip(_NAMES, row, strict=False)}
