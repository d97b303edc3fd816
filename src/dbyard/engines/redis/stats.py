"""What a server counts of itself."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard.engines.redis.session import connect
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import Address, Credentials

_NAMES = {
    "data_size": "used_memory_dataset",
    "current_connections": "connected_clients",
    "max_connections": "maxclients",
    "memory_used": "used_memory",
    "memory_limit": "maxmemory",
    "commands": "total_commands_processed",
    "hits": "keyspace_hits",
    "misses": "keyspace_misses",
    "evicted_keys": "evicted_keys",
    "expired_keys": "expired_keys",
    "append_only_file_size": "aof_current_size",
}
"""How it is called here, and how in what the server tells."""
_SECTIONS = "memory clients stats persistence keyspace"
"""Not all: a tenant's scripts can make up errors without end, each of which is a line of `errorstats`."""


def stats(address: Address, credentials: Credentials) -> Mapping[str, int | float]:
    try:
        with connect(address, credentials.admin_password) as session:
            (told,) = session.ask(f"INFO {_SECTIONS}")
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    fields = dict(line.split(":", 1) for line in str(told).splitlines() if ":" in line)
    keyspaces = (value for name, value in fields.items() if name.startswith("db") and value.startswith("keys="))
    return {
        **{ours: int(fields[theirs]) for ours, theirs in _NAMES.items()},
        "keys": sum(int(each.partition(",")[0].removeprefix("keys=")) for each in keyspaces),
        "fragmentation": float(fields["mem_fragmentation_ratio"]),
    }
