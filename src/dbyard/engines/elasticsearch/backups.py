"""Copies of a server's files as they are at one moment, as a tar. It starts on them as after a kill.

Not the server's own snapshots: it would keep them beside its data, on its tenant's disk, and put them back only when it
runs, without the index that holds its users.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dbyard.engines.elasticsearch.names import ADMIN
from dbyard.engines.elasticsearch.servers import server_at
from dbyard.engines.elasticsearch.session import Session, log_in
from dbyard.engines.file_copies import render_copy, render_unpacking
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import Address, Count, Credentials, Layout, Tool

_STORED = ("nodes/*/_state/*", "nodes/*/indices/*/_state/*", "nodes/*/indices/*/*/*/*")
_LOG, _POSITION = ".tlog", "translog.ckp"
_COUNT_SECONDS = 5
_MOST_INDICES = 1000
_OPEN = "expand_wildcards=open,hidden"


def render_backup(layout: Layout, credentials: Credentials) -> Tool:  # noqa: ARG001 - the server is not asked
    return render_copy(layout, _STORED, _LOG, _POSITION)


def render_restore(layout: Layout) -> Tool:
    return render_unpacking(layout)


def render_check(layout: Layout, credentials: Credentials) -> Tool | None:  # noqa: ARG001 - it has none for one that runs
    return None


def count(address: Address, credentials: Credentials) -> Mapping[str, Count]:
    """The documents of indices that are open, by name; none where they cannot be counted in time.

    Raises NotReady also while shards are on their way back.
    """
    try:
        with log_in(address, ADMIN, credentials.admin_password, 2 * _COUNT_SECONDS) as session:
            _await_shards(session)
            tenants = f"/*,-{server_at(session).SYSTEM_INDICES}"
            session.ask("POST", f"{tenants}/_refresh?{_OPEN}")
            changes = _list_changes(session, tenants)
            numbers = _count_documents(session, tenants)
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    return {name: Count(number, changes[name]) for name, number in numbers.items() if name in changes}


def _await_shards(session: Session) -> None:
    """One that a tenant has left without a place stays so."""
    health = session.find(f"/_cluster/health?wait_for_status=yellow&timeout={_COUNT_SECONDS}s") or {}
    if health.get("timed_out") and (health["initializing_shards"] or health["number_of_pending_tasks"]):
        raise NotReady("shards are on their way back")


def _list_changes(session: Session, tenants: str) -> Mapping[str, int]:
    """The operations on each index since it was made."""
    told = session.ask("GET", f"{tenants}/_stats/docs?level=shards&{_OPEN}")
    return {
        name: sum(shard["seq_no"]["max_seq_no"] for copies in each["shards"].values() for shard in copies)
        for name, each in told["indices"].items()
    }


def _count_documents(session: Session, tenants: str) -> Mapping[str, int]:
    by_index = {"terms": {"field": "_index", "size": _MOST_INDICES}}
    query = {"size": 0, "timeout": f"{_COUNT_SECONDS}s", "aggs": {"indices": by_index}}
    told: Any = session.ask("POST", f"{tenants}/_search?{_OPEN}", query)
    if told["timed_out"] or told["_shards"]["failed"]:
        return {}
    buckets = told["aggregations"]["indices"]["buckets"] if "aggregations" in told else ()
    return {each["key"]: each["doc_count"] for each in buckets}
