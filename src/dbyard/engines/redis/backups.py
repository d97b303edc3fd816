"""Snapshots: what a replica would be sent, checked, and the append-only file that such a one begins."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard.engines.redis.names import ADMIN
from dbyard.engines.redis.session import connect
from dbyard.errors import NotReady, TemporaryError
from dbyard.model import FAULTY, Address, Count, Credentials, DataAccess, Layout, Tool

# Not to the standard output at once: the mark at the end of what a server sends can only be cut off a file.
_BACKUP = """
read -r REDISCLI_AUTH; export REDISCLI_AUTH
redis-cli -h "$1" -p "$2" --user "$3" --rdb dump.rdb >&2 || exit 1
redis-check-rdb dump.rdb >&2 || exit 1
exec cat dump.rdb
"""
_RESTORE = f"""
mkdir "$1" && cat > "$1/appendonly.aof.1.base.rdb" || exit 1
redis-check-rdb "$1/appendonly.aof.1.base.rdb" || exit {FAULTY}
: > "$1/appendonly.aof.1.incr.aof"
printf 'file appendonly.aof.1.base.rdb seq 1 type b\\nfile appendonly.aof.1.incr.aof seq 1 type i\\n' \\
    > "$1/appendonly.aof.manifest" && sync --file-system "$1"
"""


def render_backup(layout: Layout, credentials: Credentials) -> Tool:
    argv = ("/bin/sh", "-c", _BACKUP, "backup", layout.host, str(layout.port), ADMIN)
    return Tool(argv, stdin=f"{credentials.admin_password}\n", connects=True)


def render_restore(layout: Layout) -> Tool:
    return Tool(("/bin/sh", "-c", _RESTORE, "restore", str(layout.data / "appendonlydir")), data=DataAccess.WRITE)


def render_check(layout: Layout, credentials: Credentials) -> Tool | None:  # noqa: ARG001 - `restore` has checked it
    return None


def count(address: Address, credentials: Credentials) -> Mapping[str, Count]:
    """The keys of each logical database that do not expire."""
    try:
        with connect(address, credentials.admin_password) as session:
            (told,) = session.ask("INFO keyspace persistence")
    except TemporaryError as error:
        raise NotReady(str(error)) from error
    fields = dict(line.split(":", 1) for line in str(told).splitlines() if ":" in line)
    changes = int(fields["rdb_changes_since_last_save"])
    keyspaces = {name: _pairs(value) for name, value in fields.items() if value.startswith("keys=")}
    return {name: Count(each["keys"] - each["expires"], changes) for name, each in keyspaces.items()}


def _pairs(text: str) -> dict[str, int]:
    return {name: int(value) for name, _, value in (each.partition("=") for each in text.split(","))}
