"""Redis 7.0. Its users stand in the configuration, so there is nothing to prepare and nothing to secure but to look."""

from __future__ import annotations

import hashlib
import signal

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dbyard.errors import NotReady, TemporaryError
from dbyard.model import MIB, Capability, Credentials, Endpoint, File, InstanceSpec, Layout, Node, Plan

TECHNOLOGY = "redis"
CAPABILITIES: frozenset[Capability] = frozenset()

ADMIN = "dbyard"
TENANT = "default"  # the user of clients that know a password only

_DATABASES = 5
_ANSWER_SECONDS = 1.0
_STOP_SECONDS = 30.0
_FULL = "max number of clients reached"  # by its tenant: it is ready all the same

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
        init=(),
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
    except redis.RedisError as error:
        raise NotReady(str(error)) from error


def secure(endpoint: Endpoint, credentials: Credentials) -> None:
    """Look that the tenant gets in: the server has read its users before it opened its port."""
    try:
        _log_in(endpoint, credentials.user, credentials.password)
    except redis.AuthenticationError as error:
        raise TemporaryError(f"Redis refuses: {error}", code="secure_failed") from error
    except redis.RedisError as error:
        raise NotReady(str(error)) from error


def url(endpoint: Endpoint, credentials: Credentials) -> str:
    access = f"{credentials.user}:{credentials.password}@{endpoint.host}:{endpoint.port}"
    return f"redis://{access}/{credentials.database}"


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
    try:
        with redis.Redis(
            host=endpoint.host,
            port=endpoint.port,
            username=user,
            password=password,
            socket_timeout=_ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            driver_info=None,  # it would be two more round trips
        ) as session:
            session.ping()
    except redis.ConnectionError as error:
        if str(error) != _FULL:
            raise
