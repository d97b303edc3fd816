"""Redis 7.0. Its users stand in the configuration, so there is nothing to secure but to look.

The few commands that the platform sends are written here by hand: the client library costs 21 MB of memory and most of
a second of imports, for a log-in and a PING.
"""

from __future__ import annotations

import hashlib
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dbyard.errors import NotReady, Stuck, TemporaryError
from dbyard.model import (
    MIB,
    Address,
    Capability,
    Command,
    Credentials,
    File,
    InstanceSpec,
    Layout,
    Plan,
    ProcessSpec,
    RenderInput,
    Restriction,
)

if TYPE_CHECKING:
    from redis import Redis

TECHNOLOGY = "redis"
CAPABILITIES = frozenset({Capability.RESIZE})

ADMIN = "dbyard"
TENANT = "default"  # the user of clients that know a password only

_DATABASES = 5
_ANSWER_SECONDS = 1.0
_STOP_SECONDS = 30.0
_FULL = b"-ERR max number of clients reached"  # by its tenant: it is ready all the same

_BUSY = b"-BUSY"  # after a script has run for five seconds

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
# Writes that only ever make a data set smaller.
_SHRINKING_COMMANDS = (
    "-@write +del +unlink +flushdb +flushall +expire +pexpire +expireat +pexpireat +getdel +hdel +lpop +rpop +lrem"
    " +ltrim +spop +srem +zpopmin +zpopmax +zrem +zremrangebyrank +zremrangebyscore +zremrangebylex +xdel +xtrim"
)
_TENANT_RULES = {
    Restriction.NONE: f"on {_TENANT_COMMANDS}",
    Restriction.READ_ONLY: f"on {_TENANT_COMMANDS} {_SHRINKING_COMMANDS}",
    Restriction.CLOSED: f"off {_TENANT_COMMANDS} {_SHRINKING_COMMANDS}",
}


def name_tenant(name: str, suffix: str) -> tuple[str, str]:  # noqa: ARG001 - the same for every name
    return TENANT, "0"


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


def ping(address: Address, credentials: Credentials) -> None:
    try:
        _log_in(address, ADMIN, credentials.admin_password)
    except TemporaryError as error:
        raise NotReady(str(error)) from error


def secure(address: Address, credentials: Credentials) -> None:
    """Look that the tenant gets in: the server has read its users before it opened its port."""
    _log_in(address, credentials.user, credentials.password)


def restrict(address: Address, credentials: Credentials, restriction: Restriction) -> None:
    """Rights hold from the next command on; after a restart the server has them from its configuration.

    The append-only file is rewritten, which gives back what overwritten and deleted keys still take.
    """
    with _session(address, credentials) as session:
        session.execute_command("ACL", "SETUSER", TENANT, *_TENANT_RULES[restriction].split())  # type: ignore[no-untyped-call]
        if restriction is Restriction.CLOSED:
            session.execute_command("CLIENT", "KILL", "USER", TENANT)  # type: ignore[no-untyped-call]
        if restriction is not Restriction.NONE:
            _rewrite(session)


def rotate(address: Address, credentials: Credentials) -> bool:
    """After a restart the server has the password from its configuration."""
    with _session(address, credentials) as session:
        session.execute_command("ACL", "SETUSER", TENANT, "resetpass", _password_hash(credentials.password))  # type: ignore[no-untyped-call]
        session.execute_command("CLIENT", "KILL", "USER", TENANT)  # type: ignore[no-untyped-call]
    return True


def resize(address: Address, credentials: Credentials, plan: Plan) -> None:
    """A restart would read all data anew, which takes a while when there is much of it."""
    with _session(address, credentials) as session:
        settings = ("maxmemory", f"{plan.memory_mb}mb", "maxclients", str(plan.connections))
        session.execute_command("CONFIG", "SET", *settings)  # type: ignore[no-untyped-call]


def stats(address: Address, credentials: Credentials) -> Mapping[str, int | float]:
    with _session(address, credentials) as session:
        told = session.info("everything")
    keys = sum(each["keys"] for name, each in told.items() if name.startswith("db") and isinstance(each, dict))
    return {
        "data_size": told["used_memory_dataset"],
        "current_connections": told["connected_clients"],
        "max_connections": told["maxclients"],
        "keys": keys,
        "memory_used": told["used_memory"],
        "memory_limit": told["maxmemory"],
        "fragmentation": told["mem_fragmentation_ratio"],
        "commands": told["total_commands_processed"],
        "hits": told["keyspace_hits"],
        "misses": told["keyspace_misses"],
        "evicted_keys": told["evicted_keys"],
        "expired_keys": told["expired_keys"],
        "append_only_file_size": told["aof_current_size"],
    }


def url(address: Address, credentials: Credentials) -> str:
    access = f"{credentials.user}:{credentials.password}@{address.host}:{address.port}"
    return f"redis://{access}/{credentials.database}"


def _prepare(data: Path) -> Command:
    return Command(("/bin/sh", "-c", _APPEND_ONLY, "prepare", str(data / "appendonlydir")))


def _configuration(node: RenderInput, layout: Layout, credentials: Credentials) -> str:
    plan = node.plan
    rules = _TENANT_RULES[node.restriction]
    lines = (
        f"bind {layout.host}",
        f"port {layout.port}",
        "protected-mode no",  # for servers without passwords
        f"user {TENANT} {_password_hash(credentials.password)} ~* &* {rules}",
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


def _log_in(address: Address, user: str, password: str) -> None:
    """Raises NotReady when the server does not answer, TemporaryError when it lets nobody in with this password."""
    try:
        with socket.create_connection((address.host, address.port), timeout=_ANSWER_SECONDS) as session:
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
    if pong.startswith(_BUSY):
        raise Stuck(f"Redis is stuck in a script: {_text(pong)}")
    if not pong.startswith(b"+PONG"):
        raise NotReady(f"Redis is not ready: {_text(pong) or 'it has closed the connection'}")


def _encode(*words: str) -> bytes:
    """A command as the protocol (RESP) wants it."""
    parts = [b"$%d\r\n%b\r\n" % (len(word), word) for word in map(str.encode, words)]
    return b"*%d\r\n%b" % (len(parts), b"".join(parts))


def _text(line: bytes) -> str:
    return line.decode(errors="replace").strip().lstrip("-")


@contextmanager
def _session(address: Address, credentials: Credentials) -> Iterator[Redis]:
    """The admin's session, by the client library. Raises NotReady or TemporaryError as `restrict` does."""
    import redis  # only here: what every create does goes without it
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    try:
        with redis.Redis(
            host=address.host,
            port=address.port,
            username=ADMIN,
            password=credentials.admin_password,
            socket_timeout=_ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            driver_info=None,  # it would be two more round trips
        ) as session:
            yield session
    except redis.ResponseError as error:
        raise TemporaryError(f"Redis refuses: {error}", code="restrict_failed") from error
    except redis.RedisError as error:
        raise NotReady(str(error)) from error


def _rewrite(session: Redis) -> None:
    """Unless a rewrite is under way already."""
    if not session.info("persistence")["aof_rewrite_in_progress"]:
        session.bgrewriteaof()
