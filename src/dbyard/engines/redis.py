"""Redis 7.0. Its users stand in the configuration, so there is nothing to secure but to look.

The few commands that the platform sends are written here by hand: the client library costs 21 MB of memory and most of
a second of imports, for a log-in and a PING.
"""

from __future__ import annotations

import hashlib
import signal
import socket
from pathlib import Path

from dbyard.errors import NotReady, TemporaryError
from dbyard.model import MIB, Capability, Command, Credentials, Endpoint, File, InstanceSpec, Layout, Node, Plan

TECHNOLOGY = "redis"
CAPABILITIES: frozenset[Capability] = frozenset()

ADMIN = "dbyard"
TENANT = "default"  # the user of clients that know a password only

_DATABASES = 5
_ANSWER_SECONDS = 1.0
_STOP_SECONDS = 30.0
_FULL = b"-ERR max number of clients reached"  # by its tenant: it is ready all the same

# The files that a server without any makes at its first start, with a sync for each while somebody waits.
_APPEND_ONLY = (
    'mkdir "$1" && : > "$1/appendonly.aof.1.incr.aof"'
    ' && echo "file appendonly.aof.1.incr.aof seq 1 type i" > "$1/appendonly.aof.manifest"'
)

# Everything but what reaches beyond the tenant's own data: other servers, files, the server's settings and its users.
# Of what Redis counts as dangerous, applications and their libraries need these.
_TENANT_COMMANDS = (
    "+@all -@admin -@dangerous"
    " +flushdb +flushall +swapdb +keys +sort +sort_ro +restore +info +role"
    " +client|list +client|kill +client|unblock +slowlog|get +slowlog|len"
)


def name_tenant(name: str, suffix: str) -> tuple[str, str]:  # noqa: ARG001 - the same for every name
    return TENANT, "0"


def render(node: Node, layout: Layout, credentials: Credentials) -> InstanceSpec:
    plan = node.plan
    configuration = layout.conf / "redis.conf"
    return InstanceSpec(
        id=node.id,
        generation=node.generation,
        argv=(str(layout.bin / "redis-server"), str(configuration), "--dir", str(layout.data)),
        init=(_prepare(layout.data),),
        files=(File(configuration, _configuration(plan, layout, credentials)),),
        env={},
        memory=(plan.memory_mb + node.overhead_mb) * MIB,
        address_space=None,  # a snapshot is written by a copy of the whole process
        cpu=plan.cpu,
        processes=32,
        disk=plan.disk_mb * MIB,
        stop_signal=signal.SIGTERM,
        stop_grace=_STOP_SECONDS,
    )


def ping(endpoint: Endpoint, credentials: Credentials) -> None:
    try:
        _log_in(endpoint, ADMIN, credentials.admin_password)
    except TemporaryError as error:
        raise NotReady(str(error)) from error


def secure(endpoint: Endpoint, credentials: Credentials) -> None:
    """Look that the tenant gets in: the server has read its users before it opened its port."""
    _log_in(endpoint, credentials.user, credentials.password)


def url(endpoint: Endpoint, credentials: Credentials) -> str:
    access = f"{credentials.user}:{credentials.password}@{endpoint.host}:{endpoint.port}"
    return f"redis://{access}/{credentials.database}"


def _prepare(data: Path) -> Command:
    return Command(("/bin/sh", "-c", _APPEND_ONLY, "prepare", str(data / "appendonlydir")))


def _configuration(plan: Plan, layout: Layout, credentials: Credentials) -> str:
    lines = (
        f"bind {layout.host}",
        f"port {layout.port}",
        "protected-mode no",  # for servers without passwords
        f"user {TENANT} on {_password_hash(credentials.password)} ~* &* {_TENANT_COMMANDS}",
        f"user {ADMIN} on {_password_hash(credentials.admin_password)} ~* &* +@all",
        f"maxclients {plan.connections}",
        f"maxmemory {plan.memory_mb}mb",
        "maxmemory-policy noeviction",
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


def _password_hash(password: str) -> str:
    return "#" + hashlib.sha256(password.encode()).hexdigest()


def _log_in(endpoint: Endpoint, user: str, password: str) -> None:
    """Raises NotReady when the server does not answer, TemporaryError when it lets nobody in with this password."""
    try:
        with socket.create_connection((endpoint.host, endpoint.port), timeout=_ANSWER_SECONDS) as session:
            session.sendall(_encode("AUTH", user, password) + _encode("PING"))
            with session.makefile("rb") as answers:
                greeting = answers.readline()
                if greeting.startswith(_FULL):
                    return
                pong = answers.readline() if greeting.startswith(b"+") else b""
    except OSError as error:
        raise NotReady(f"Redis does not answer: {error}") from error
    if greeting.startswith(b"-"):
        raise TemporaryError(f"Redis refuses: {_text(greeting)}", code="secure_failed")
    if not pong.startswith(b"+PONG"):
        raise NotReady(f"Redis is not ready: {_text(pong) or 'it has closed the connection'}")


def _encode(*words: str) -> bytes:
    """A command as the protocol (RESP) wants it."""
    parts = [b"$%d\r\n%b\r\n" % (len(word), word) for word in map(str.encode, words)]
    return b"*%d\r\n%b" % (len(parts), b"".join(parts))


def _text(line: bytes) -> str:
    return line.decode(errors="replace").strip().lstrip("-")
