"""Elasticsearch: by its fork OpenSearch 2.19, or itself in version 7.17. The platform is a user of its own there."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Mapping

from dbyard.errors import NotReady, Stuck, TemporaryError
from dbyard.model import (
    MIB,
    Address,
    Capability,
    Credentials,
    InstanceSpec,
    Layout,
    ProcessSpec,
    RenderInput,
    Restriction,
)

from . import configuration
from .client import log_in
from .configuration import server_at
from .passwords import ADMIN

TECHNOLOGY = "elasticsearch"
CAPABILITIES: frozenset[Capability] = frozenset()

_NAME_LIMIT = 48
_ANSWER_SECONDS = 1.0
_CHANGE_SECONDS = 15.0
_SEARCH_SECONDS = 5.0
_EMPTY_SEARCH = "/*,-.*/_search?size=0"
_STOP_SECONDS = 30.0
_OUT_OF_MEMORY = 3  # ExitOnOutOfMemoryError
_HEALTH = {"green": 0, "yellow": 1, "red": 2}


def name_tenant(name: str, suffix: str) -> tuple[str, str]:
    """The database is the name of the cluster: a tenant names its indices as it likes."""
    tenant = f"{re.sub('-', '_', name)[: _NAME_LIMIT - 1 - len(suffix)]}_{suffix}"
    return tenant, tenant


def render(node: RenderInput, layout: Layout, credentials: Credentials) -> InstanceSpec:
    plan = node.plan
    return InstanceSpec(
        id=node.id,
        generation=node.generation,
        processes=(
            ProcessSpec(
                name="server",
                argv=configuration.render_argv(plan, layout),
                env={"MALLOC_ARENA_MAX": "1", "LIBFFI_TMPDIR": str(layout.run)},
                address_space=None,  # the virtual machine reserves much more than it uses
                stop_signal=signal.SIGTERM,
                stop_grace=_STOP_SECONDS,
                memory_exit=_OUT_OF_MEMORY,
            ),
        ),
        init=(),
        files=configuration.render_files(node, layout, credentials),
        memory=(plan.memory_mb + node.overhead_mb) * MIB,
        cpu=plan.cpu,
        pids=1024,  # threads count
        disk=plan.disk_mb * MIB,
    )


def ping(address: Address, credentials: Credentials) -> None:
    """Searches wait for threads of their own, which scripts that never end may all hold: Stuck tells that."""
    try:
        with log_in(address, ADMIN, credentials.admin_password, _ANSWER_SECONDS) as session:
            session.ask("GET", "/")
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    _search(address, credentials)


def _search(address: Address, credentials: Credentials) -> None:
    """A refusal is an answer as well: indices may be closed, or on their way back."""
    started = time.monotonic()
    try:
        with log_in(address, ADMIN, credentials.admin_password, _SEARCH_SECONDS) as session:
            session.ask("GET", _EMPTY_SEARCH)
    except TemporaryError:
        return
    except NotReady as error:
        if time.monotonic() - started >= _SEARCH_SECONDS:
            raise Stuck("no search is answered") from error


def secure(address: Address, credentials: Credentials) -> None:
    with log_in(address, ADMIN, credentials.admin_password, _CHANGE_SECONDS) as session:
        server_at(session).secure(session, credentials)


def restrict(address: Address, credentials: Credentials, restriction: Restriction) -> None:
    """By the roles of the tenant's user, which the server keeps. Requests that run already end as they would."""
    with log_in(address, ADMIN, credentials.admin_password, _CHANGE_SECONDS) as session:
        server_at(session).restrict(session, credentials, restriction)


def rotate(address: Address, credentials: Credentials) -> bool:
    """Each request logs in by itself, so that there are no sessions to end."""
    with (
        log_in(address, ADMIN, credentials.admin_password, _CHANGE_SECONDS) as session,
        log_in(address, credentials.user, credentials.password, _CHANGE_SECONDS) as tenant,
    ):
        return server_at(session).rotate(session, tenant, credentials)


def stats(address: Address, credentials: Credentials) -> Mapping[str, int | float]:
    try:
        with log_in(address, ADMIN, credentials.admin_password, _CHANGE_SECONDS) as session:
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


def url(address: Address, credentials: Credentials) -> str:
    return f"http://{credentials.user}:{credentials.password}@{address.host}:{address.port}"
