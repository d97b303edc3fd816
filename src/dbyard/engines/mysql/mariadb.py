"""MariaDB: how it is made, set and asked where MySQL differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dbyard.engines.mysql.install import first_script, with_time_zones
from dbyard.engines.mysql.passwords import native_hash
from dbyard.engines.mysql.sizes import LEAST_LOG_MB, cache_mb, log_mb
from dbyard.model import Command, Layout, Plan

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

NAME = "MariaDB"
PROGRAM = "mariadbd"
SESSION_SETTINGS = (
    "SET SESSION lock_wait_timeout = 1, SESSION innodb_lock_wait_timeout = 1, SESSION max_statement_time = 10,"
    " SESSION sql_mode = 'STRICT_TRANS_TABLES'"
)
LOCKED_USERS = """
    SELECT json_objectagg(User, coalesce(json_value(Priv, '$.account_locked'), 0)) FROM mysql.global_priv
    WHERE User IN %(users)s AND Host = '%%'
    """
RIGHTS_OF_READERS = "SELECT, DELETE, DROP, LOCK TABLES, EXECUTE, SHOW VIEW, DELETE HISTORY"
STATUS_TABLE = "information_schema.global_status"
LOCK_ALL = (
    "UPDATE mysql.global_priv SET Priv = json_set(Priv, '$.account_locked', true)"
    " WHERE User NOT IN ('dbyard', 'mariadb.sys')",
    "FLUSH PRIVILEGES",
)


def render_install(layout: Layout) -> Command:
    base = layout.bin.parent
    install = [
        str(base / "bin" / "mariadb-install-db"),
        "--no-defaults",
        f"--basedir={base}",
        f"--datadir={layout.data}",
        f"--extra-file={first_script(layout)}",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--force",  # without asking for the host's name
        f"--innodb-log-file-size={LEAST_LOG_MB}M",
        "--innodb-flush-method=nosync",
    ]
    return with_time_zones(layout, "mariadb-tzinfo-to-sql", install)


def render_settings(plan: Plan, layout: Layout) -> Mapping[str, str]:
    base, cache = layout.bin.parent, cache_mb(plan)
    before_11 = layout.full_version.startswith("10.")
    return {
        "plugin-dir": str(base / "lib" / "mysql" / "plugin"),
        "lc-messages-dir": str(base / "share" / ("mysql" if before_11 else "mariadb")),
        "secure-file-priv": str(layout.run),
        "local-infile": "ON",  # a client reads its own files, which is its own affair
        "collation-server": "utf8mb4_unicode_ci" if before_11 else "utf8mb4_uca1400_ai_ci",
        "table-open-cache-instances": "2",  # each wants 4,000 open files, and eight of them more than hosts allow
        "innodb-log-file-size": f"{log_mb(plan)}M",
        "innodb-log-buffer-size": f"{max(2, min(plan.memory_mb // 256, 16))}M",
        "key-buffer-size": f"{cache}M",
        "aria-pagecache-buffer-size": f"{cache}M",
        "tmp-table-size": f"{cache * 2}M",
        "max-heap-table-size": f"{cache * 2}M",
    }


def render_admin(user: str, password: str) -> tuple[str, ...]:
    """The installer's root has no password."""
    return (
        "DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys'",
        "DELETE FROM mysql.proxies_priv",
        "FLUSH PRIVILEGES",
        f"CREATE USER {user}@'%' {identified(password)}",
        f"GRANT ALL PRIVILEGES ON *.* TO {user}@'%' WITH GRANT OPTION",
    )


def identified(password: str) -> str:
    return f"IDENTIFIED VIA mysql_native_password USING '{native_hash(password)}'"


def reload_tls(session: Cursor) -> None:
    session.execute("SELECT @@have_ssl")
    row: Any = session.fetchone()
    if row[0] == "YES":
        session.execute("FLUSH SSL")
