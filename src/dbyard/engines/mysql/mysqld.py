"""MySQL itself: how it is made, set and asked where MariaDB differs.

It asks for `caching_sha2_password`: over TLS, and without it by the RSA keys that it makes with its first files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dbyard.engines.mysql.install import with_time_zones
from dbyard.engines.mysql.passwords import derived_sha2_hash, sha2_hash
from dbyard.engines.mysql.sizes import LEAST_LOG_MB, cache_mb, log_mb
from dbyard.model import Command, Layout, Plan

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

NAME = "MySQL"
PROGRAM = "mysqld"
CLIENT, DUMP, CHECK = "mysql", "mysqldump", "mysqlcheck"
CLIENT_OPTIONS = ("--ssl-mode=DISABLED", "--get-server-public-key")
DUMP_OPTIONS = ("--set-gtid-purged=OFF", "--column-statistics=0")
LOAD_SETTINGS = ("--disable-log-bin", "--mysqlx=OFF", "--secure-file-priv=NULL", "--innodb-redo-log-capacity=128M")
SESSION_SETTINGS = (
    "SET SESSION lock_wait_timeout = 1, SESSION innodb_lock_wait_timeout = 1, SESSION max_execution_time = 10000,"
    " SESSION information_schema_stats_expiry = 0, SESSION sql_mode = 'STRICT_TRANS_TABLES'"
)
LOCKED_USERS = """
    SELECT json_objectagg(User, account_locked = 'Y') FROM mysql.user WHERE User IN %(users)s AND Host = '%%'
    """
RIGHTS_OF_READERS = "SELECT, DELETE, DROP, LOCK TABLES, EXECUTE, SHOW VIEW"
STATUS_TABLE = "performance_schema.global_status"
_NO_WARNINGS = "MY-010068,MY-011810"
"""Of an authority that signs for itself, as every one does, and of directories above those that only it can enter."""
LOCK_ALL = (
    "UPDATE mysql.user SET account_locked = 'Y' WHERE User <> 'dbyard'",
    "FLUSH PRIVILEGES",
)


REMOVE_OTHERS = ("DROP USER root@localhost",)
KEEP_ROOT = ()


def render_install(layout: Layout) -> Command:
    install = [
        str(layout.bin / PROGRAM),
        "--no-defaults",
        "--initialize-insecure",
        f"--basedir={layout.bin.parent}",
        f"--datadir={layout.data}",
        "--secure-file-priv=NULL",
        "--disable-log-bin",
        f"--innodb-redo-log-capacity={LEAST_LOG_MB}M",
        "--innodb-flush-method=nosync",
        "--innodb-doublewrite=OFF",
    ]
    return with_time_zones(layout, "mysql_tzinfo_to_sql", install, "--init-file")


def render_settings(plan: Plan, layout: Layout) -> Mapping[str, str]:
    """The caches of tables and of temporary tables follow the plan: their defaults follow the machine."""
    return {
        **render_places(layout),
        "secure-file-priv": "NULL",
        "local-infile": "OFF",
        "mysqlx": "OFF",
        "log-error-suppression-list": _NO_WARNINGS,
        "disable-log-bin": "ON",
        "gtid-mode": "OFF",  # else mysqldump wants to flush tables, and what it writes is refused
        "enforce-gtid-consistency": "OFF",
        "innodb-redo-log-capacity": f"{log_mb(plan)}M",
        "innodb-log-buffer-size": f"{max(1, min(plan.memory_mb // 256, 64))}M",
        "innodb-read-io-threads": str(_io_threads(plan)),
        "innodb-write-io-threads": str(_io_threads(plan)),
        "innodb-purge-threads": "1",
        "innodb-adaptive-hash-index": "OFF",
        "table-open-cache": str(max(400, min(plan.memory_mb, 4000))),
        "table-definition-cache": str(max(400, min(plan.memory_mb, 2000))),
        "temptable-max-ram": f"{cache_mb(plan) * 4}M",
        "temptable-max-mmap": "0",
        "key-buffer-size": f"{cache_mb(plan)}M",
        "tmp-table-size": f"{cache_mb(plan) * 2}M",
        "max-heap-table-size": f"{cache_mb(plan) * 2}M",
    }


def render_places(layout: Layout) -> Mapping[str, str]:
    return {
        "plugin-dir": str(layout.bin.parent / "lib" / "mysql" / "plugin"),
        "lc-messages-dir": str(layout.bin.parent / "share" / "mysql"),
    }


def _io_threads(plan: Plan) -> int:
    return max(1, min(plan.memory_mb // 1024, 4))


def render_admin(user: str, password: str) -> tuple[str, ...]:
    return (
        f"CREATE USER {user}@'%' {derived(password)}",
        f"GRANT ALL PRIVILEGES ON *.* TO {user}@'%' WITH GRANT OPTION",
    )


def identified(password: str) -> str:
    return f"IDENTIFIED WITH caching_sha2_password AS '{sha2_hash(password)}'"


def derived(password: str) -> str:
    return f"IDENTIFIED WITH caching_sha2_password AS '{derived_sha2_hash(password)}'"


def limit_statements(seconds: float) -> str:
    return f"SET SESSION max_execution_time = {int(seconds * 1000)}"


def reload_tls(session: Cursor) -> None:
    session.execute("SELECT @@ssl_cert")
    row: Any = session.fetchone()
    if row[0]:
        session.execute("ALTER INSTANCE RELOAD TLS")
