"""Redis, by redis-py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import redis

ERRORS: tuple[type[Exception], ...] = (redis.RedisError,)
REFUSED = r"no permissions|not allowed"
FULL = r"maxmemory"
LASTING = True
DELAY = 2.0
"""With `appendfsync everysec` a write waits so long for the end of an fsync that is under way."""
ESCAPES: Mapping[str, Sequence[str]] = {
    "files": ["CONFIG SET dir /tmp", "SAVE", "DEBUG SET-ACTIVE-EXPIRE 1"],
    "programs": ["MODULE LOAD /tmp/x.so", "MODULE UNLOAD x"],
    "other databases": ["REPLICAOF 127.0.0.1 1", "MIGRATE 127.0.0.1 1 k 0 10", "CLUSTER RESET"],
    "settings": ["CONFIG SET maxmemory 0", "CONFIG RESETSTAT", "CONFIG REWRITE", "SHUTDOWN", "FAILOVER"],
    "snapshots": ["BGSAVE", "BGREWRITEAOF", "PSYNC ? -1"],
    "users": ["ACL LIST", "ACL SETUSER default nopass", "MONITOR"],
}


class Tenant:
    def __init__(self, url: str) -> None:
        self._connection: redis.Redis = redis.Redis.from_url(url, socket_connect_timeout=5, retry=None)
        self._connection.ping()

    def write(self, number: int) -> None:
        self._connection.set(f"written:{number}", number)

    def write_many(self, numbers: range) -> None:
        self._connection.mset({f"written:{number}": number for number in numbers})

    def read(self) -> set[int]:
        return {int(key.rpartition(b":")[2]) for key in self._connection.scan_iter("written:*", count=10_000)}

    def attempt(self, escape: str) -> object:
        execute: Callable[..., object] = self._connection.execute_command
        return execute(*escape.split())

    def bomb(self) -> None:
        for number in range(1000):
            self._connection.set(f"bomb:{number}", b"x" * 8_000_000)

    def close(self) -> None:
        self._connection.close()
