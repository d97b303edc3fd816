"""What a server counts of itself."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard.engines.elasticsearch.names import ADMIN
from dbyard.engines.elasticsearch.servers import server_at
from dbyard.engines.elasticsearch.session import ANSWER_SECONDS, CHANGE_SECONDS, log_in
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import Address, Credentials

_HEALTH = {"green": 0, "yellow": 1, "red": 2}
_NAMED = 5
"""So many names are told."""


def stats(address: Address, credentials: Credentials) -> Mapping[str, int | float]:
    try:
        with log_in(address, ADMIN, credentials.admin_password, CHANGE_SECONDS) as session:
            health = session.ask("GET", "/_cluster/health")
            tenants = f"*,-{server_at(session).SYSTEM_INDICES}"
            indices = session.ask("GET", f"/{tenants}/_stats/docs,store?expand_wildcards=all")
            nodes = session.ask("GET", "/_nodes/_local/stats/jvm,http")
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    total, node = indices["_all"]["primaries"], next(iter(nodes["nodes"].values()))
    return {
        "data_size": total.get("store", {}).get("size_in_bytes", 0),
        "current_connections": node["http"]["current_open"],
        "documents": total.get("docs", {}).get("count", 0),
        "indices": len(indices["indices"]),
        "shards": health["active_shards"],
        "unassigned_shards": health["unassigned_shards"],
        "pending_tasks": health["number_of_pending_tasks"],
        "health": _HEALTH[health["status"]],  # 0 green, 1 yellow, 2 red
        "heap_used": node["jvm"]["mem"]["heap_used_in_bytes"],
        "heap_limit": node["jvm"]["mem"]["heap_max_in_bytes"],
    }


def inspect_data(address: Address, credentials: Credentials) -> str | None:
    """Indices of which a shard is nowhere: their server could not read it, or their settings let it have no place."""
    try:
        with log_in(address, ADMIN, credentials.admin_password, ANSWER_SECONDS) as session:
            red = session.ask("GET", "/_cat/indices?health=red&h=index&format=json&expand_wildcards=all")
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    names = sorted(str(each["index"]) for each in red)
    if not names:
        return None
    return f"{len(names)} of its indices lack shards (red): {', '.join(names[:_NAMED])}{' …' if names[_NAMED:] else ''}"
