"""SecantusDB as data: a server in Python on WiredTiger, run by the system's Python with its packages on PYTHONPATH."""

from __future__ import annotations

import json
import signal
from functools import cache
from importlib.resources import files
from pathlib import Path

from dbyard.engines.mongodb.names import ADMIN
from dbyard.engines.private_host import private_host
from dbyard.model import MIB, Command, Credentials, File, InstanceSpec, Layout, Plan, ProcessSpec, RenderInput

PREFIX = "secantusdb-"
"""How its full versions begin."""

PYTHON = ("/usr/bin/python3", "-sP")
_STOP_SECONDS = 30.0
_THREADS_PER_LOGIN = 3  # as serve.py counts connections
_OTHER_THREADS = 64
_OPLOG_ENTRIES = 20_000  # of an hour at most: what change streams can go back to


def render(node: RenderInput, layout: Layout, credentials: Credentials) -> InstanceSpec:
    plan = node.plan
    configuration, serve, first = (layout.conf / name for name in ("secantusd.toml", "serve.py", "first_admin.py"))
    access = layout.conf / "access"
    order = {"path": str(storage(layout)), "user": ADMIN, "password": credentials.admin_password}
    return InstanceSpec(
        id=node.id,
        generation=node.generation,
        processes=(
            ProcessSpec(
                name="server",
                argv=(
                    *PYTHON,
                    str(serve),
                    str(layout.log / "server.log"),
                    ADMIN,
                    str(plan.connections),
                    str(access),
                    "--config",
                    str(configuration),
                    "--auth",
                    "--sync-on-commit",
                ),
                env={
                    "PYTHONPATH": str(layout.root / "lib"),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "MALLOC_ARENA_MAX": "2",  # each connection is a thread, which would get an arena of its own
                },
                address_space=None,  # where it ends the server drops its connections
                stop_signal=signal.SIGTERM,
                stop_grace=_STOP_SECONDS,
            ),
        ),
        init=(Command((*PYTHON, str(first)), json.dumps(order)),),
        files=(
            File(configuration, _configuration(node, layout, credentials)),
            File(serve, script("serve.py")),
            File(first, script("first_admin.py")),
            File(access, "admin only\n" if node.admin_only else "everybody\n"),  # looked at with each log-in
        ),
        memory=(plan.memory_mb + node.overhead_mb) * MIB,
        cpu=plan.cpu,
        pids=plan.connections * _THREADS_PER_LOGIN + _OTHER_THREADS,
        disk=plan.disk_mb * MIB,
    )


def _configuration(node: RenderInput, layout: Layout, credentials: Credentials) -> str:
    plan = node.plan
    host = private_host(layout.host, credentials.admin_password) if node.hidden else layout.host
    return f"""\
[server]
host = {json.dumps(host)}
port = {layout.port}
storage_path = {json.dumps(str(storage(layout)))}
log_level = "WARNING"
auth = true

[oplog]
max_entries = {_OPLOG_ENTRIES}

[storage]
cache_size = "{cache_mb(plan)}M"
session_max = {max(1000, plan.connections * 5)}
sync_on_commit = true
"""


def cache_mb(plan: Plan) -> int:
    """Half of the memory; queries are worked on outside it."""
    return plan.memory_mb // 2


def connections(plan: Plan) -> int:
    return plan.connections


def storage(layout: Layout) -> Path:
    return layout.data / "db"


@cache
def script(name: str) -> str:
    return files("dbyard.engines.mongodb").joinpath("scripts", name).read_text(encoding="utf-8")
