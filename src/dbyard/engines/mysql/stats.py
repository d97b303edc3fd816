"""What a server counts of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbyard.engines.mysql.names import SYSTEM_DATABASES
from dbyard.engines.mysql.session import connect, guard
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import Address, Credentials

_NAMES = ("data_size", "current_connections", "max_connections", "queries", "slow_queries", "tables")
_QUERY = """
    SELECT (SELECT coalesce(sum(data_length + index_length), 0) FROM information_schema.tables
            WHERE table_schema NOT IN %(system)s),
           (SELECT count(*) FROM information_schema.processlist
            WHERE user NOT IN ('dbyard', 'system user', 'event_scheduler')),
           @@max_user_connections,
           (SELECT variable_value FROM {status} WHERE variable_name = 'Questions'),
           (SELECT variable_value FROM {status} WHERE variable_name = 'Slow_queries'),
           (SELECT count(*) FROM information_schema.tables WHERE table_schema NOT IN %(system)s)
    """


def stats(address: Address, credentials: Credentials) -> Mapping[str, int | float]:
    try:
        with connect(address, credentials.admin_password) as session:
            server = guard(session)
            session.execute(_QUERY.format(status=server.STATUS_TABLE), {"system": SYSTEM_DATABASES})
            row: Any = session.fetchone()
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    return dict(zip(_NAMES, map(int, row), strict=True))
