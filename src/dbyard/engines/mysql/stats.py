"""What a server counts of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbyard.engines.mysql.session import connect
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import Address, Credentials

_NAMES = ("data_size", "current_connections", "max_connections", "queries", "slow_queries", "tables")
_QUERY = """
    SELECT (SELECT coalesce(sum(data_length + index_length), 0) FROM information_schema.tables
            WHERE table_schema = %(database)s),
           (SELECT count(*) FROM information_schema.processlist WHERE user <> 'dbyard' AND user <> 'system user'),
           @@max_user_connections,
           (SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'QUESTIONS'),
           (SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'SLOW_QUERIES'),
           (SELECT count(*) FROM information_schema.tables WHERE table_schema = %(database)s)
    """


def stats(address: Address, credentials: Credentials) -> Mapping[str, int | float]:
    try:
        with connect(address, credentials.admin_password) as session:
            session.execute(_QUERY, {"database": credentials.database})
            row: Any = session.fetchone()
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    return dict(zip(_NAMES, map(int, row), strict=True))
