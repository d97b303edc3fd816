"""What a server counts of itself."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard.engines.postgresql.names import ADMIN_DATABASE
from dbyard.engines.postgresql.render import RESERVED_CONNECTIONS
from dbyard.engines.postgresql.session import ANSWER_SECONDS, connect
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
    SELECT sum(pg_catalog.pg_database_size(datid)), sum(numbackends),
           pg_catalog.current_setting('max_connections')::int - {RESERVED_CONNECTIONS},
           sum(xact_commit), sum(xact_rollback), sum(blks_read), sum(blks_hit), sum(temp_bytes), sum(deadlocks)
    FROM pg_catalog.pg_stat_database WHERE datname NOT IN ('{ADMIN_DATABASE}', 'template0', 'template1')
    """  # noqa: S608 - a number and a name of ours
"""Of all databases that are the tenant's."""


_DAMAGED = f"""
    SELECT string_agg(datname, ', '), sum(checksum_failures) FROM pg_catalog.pg_stat_database
    WHERE checksum_last_failure > now() - interval '1 day' AND datname <> '{ADMIN_DATABASE}'
    """  # noqa: S608 - a name of ours


def stats(address: Address, credentials: Credentials) -> Mapping[str, int | float]:
    try:
        with connect(address, credentials.admin_password) as session:
            row = session.execute(_QUERY)
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    return {name: int(value or 0) for name, value in zip(_NAMES, row, strict=False)}


def inspect_data(address: Address, credentials: Credentials) -> str | None:
    """Each page has a checksum, which the server compares when it reads it."""
    try:
        with connect(address, credentials.admin_password, seconds=ANSWER_SECONDS) as session:
            names, times = session.execute(_DAMAGED)
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    return None if names is None else f"pages of {names} have wrong checksums (met {times} times)"
