"""A server as data: its configuration, which holds its users, and what makes its first files."""

from __future__ import annotations

import signal
from pathlib import Path

from dbyard.engines.private_host import private_host
from dbyard.engines.redis.names import ADMIN, TENANT
from dbyard.engines.redis.rules import TENANT_RULES, password_hash, rules_of
from dbyard.engines.redis.settings import SETTINGS
from dbyard.model import MIB, Command, Credentials, File, InstanceSpec, Layout, ProcessSpec, RenderInput, Restriction

_DATABASES = 16
_STOP_SECONDS = 30.0

# The files that a server without any makes at its first start, with a sync for each while somebody waits.
_APPEND_ONLY = (
    'mkdir "$1" && : > "$1/appendonly.aof.1.incr.aof"'
    ' && echo "file appendonly.aof.1.incr.aof seq 1 type i" > "$1/appendonly.aof.manifest"'
)


def render(node: RenderInput, layout: Layout, credentials: Credentials) -> InstanceSpec:
    plan = node.plan
    configuration = layout.conf / "redis.conf"
    text = _configuration(node, layout, credentials)
    return InstanceSpec(
        id=node.id,
        generation=node.generation,
        processes=(
            ProcessSpec(
                name="server",
                argv=(str(layout.bin / "redis-server"), str(configuration), "--dir", str(layout.data)),
                env={},
                address_space=None,  # a snapshot is written by a copy of the whole process
                stop_signal=signal.SIGTERM,
                stop_grace=_STOP_SECONDS,
            ),
        ),
        init=(_prepare(layout.data),),
        files=(File(configuration, text),),
        memory=(plan.memory_mb + node.overhead_mb) * MIB,
        cpu=plan.cpu,
        pids=32,
        disk=plan.disk_mb * MIB,
    )


def _prepare(data: Path) -> Command:
    return Command(("/bin/sh", "-c", _APPEND_ONLY, "prepare", str(data / "appendonlydir")))


def _tenant(node: RenderInput, credentials: Credentials) -> str:
    """A server of nobody's yet has the user, because Redis always has it, and lets nobody in as that."""
    if not credentials.user:
        return "off"
    rules = TENANT_RULES[node.restriction]
    if node.admin_only:
        rules = rules.replace("on ", "off ", 1)
    return f"{password_hash(credentials.password)} {rules}"


def _others(node: RenderInput) -> list[str]:
    restriction = Restriction.CLOSED if node.admin_only else node.restriction
    return [f"user {user.name} {password_hash(user.password)} {rules_of(user, restriction)}" for user in node.users]


def _configuration(node: RenderInput, layout: Layout, credentials: Credentials) -> str:
    plan = node.plan
    host = private_host(layout.host, credentials.admin_password) if node.hidden else layout.host
    lines = (
        f"bind {host}",
        f"port {layout.port}",
        "protected-mode no",  # for servers without passwords
        f"user {TENANT} {_tenant(node, credentials)}",
        *_others(node),
        f"user {ADMIN} on {password_hash(credentials.admin_password)} ~* &* +@all",
        f"maxclients {plan.connections}",
        f"maxmemory {plan.memory_mb}mb",
        # Answers that nobody reads and requests without an end lie beside the data: who has most of it is dropped.
        f"maxmemory-clients {node.overhead_mb // 2}mb",
        *(f'{setting.name} "{setting.of(node.settings)}"' for setting in SETTINGS),
        f"databases {_DATABASES}",
        "appendonly yes",
        "appendfsync everysec",
        'save ""',  # the append-only file has everything
        "sanitize-dump-payload clients",  # what a tenant restores may be made to break the server
        "repl-diskless-sync-delay 0",
        "tcp-keepalive 60",
        "set-proc-title no",  # a server is found again by its argv
        "always-show-logo no",
        f'logfile "{layout.log / "server.log"}"',
    )
    return "".join(f"{line}\n" for line in lines)
