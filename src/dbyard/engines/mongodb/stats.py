"""What a server counts of itself."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard.engines.mongodb.session import STATEMENT_SECONDS, admin, refusals
from dbyard.model import MIB, Address, Credentials

_SIZES = {"dataSize": "data_size", "indexSize": "index_size", "storageSize": "storage_size", "objects": "objects"}


def stats(address: Address, credentials: Credentials) -> Mapping[str, int | float]:
    """What costs the server nothing to tell: SecantusDB would read all documents to know their size."""
    with admin(address, credentials.admin_password, STATEMENT_SECONDS) as server, refusals("stats_failed"):
        status = server.admin.command("serverStatus")
        told = {} if "secantus" in status else server[credentials.database].command("dbStats")
    counted = {f"{name}_operations": int(number) for name, number in _numbers(status["opcounters"]).items()}
    return {
        "current_connections": int(status["connections"]["current"]),
        "memory_resident": int(status["mem"]["resident"]) * MIB,
        "uptime": int(status["uptime"]),
        **counted,
        **{ours: int(told[theirs]) for theirs, ours in _SIZES.items() if theirs in told},
    }


def _numbers(document: Mapping[str, object]) -> dict[str, int | float]:
    return {name: value for name, value in document.items() if isinstance(value, int | float)}
