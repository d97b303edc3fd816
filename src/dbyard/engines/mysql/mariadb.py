"""MariaDB: how it is made, set and asked where MySQL differs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dbyard.engines.mysql.install import with_time_zones
from dbyard.engines.mysql.passwords import native_hash
from dbyard.engines.mysql.sizes import LEAST_LOG_MB, cache_mb, log_mb
from dbyard.model import Command, Layout, Plan

if TYPE_CHECKING:
    from pymysql.cursors import Cursor

NAME = "MariaDB"
PROGRAM = "mariadbd"
CLIENT, DUMP, CHECK = "mariadb", "mariadb-dump", "mariadb-check"
CLIENT_OPTIONS = ("--skip-ssl",)
JOURNAL_SETTINGS = {"binlog-format": "ROW", "binlog-annotate-row-events": "OFF"}
DUMP_OPTIONS = ("--dump-history",)
READ_LOG = ("mariadb-binlog", "--no-defaults", "--read-from-remote-server")
# The server tells where in its log the transaction began that the dump reads in, without a lock.
DUMP_ALL = """
dump_all() {
    keeps_journal || { dump --databases -- "$@"; return; }
    rm -f stream head && mkfifo stream || return 1
    dump --master-data=2 --databases -- "$@" > stream & dumper=$!
    exec 3< stream
    while IFS= read -r line; do
        printf '%s\\n' "$line" >> head
        case $line in
            '-- CHANGE MASTER TO '*)
                line=${line#*"'"} offset=${line##*=}
                place "${line%%"'"*}" "${offset%;}"
                break ;;
            'CREATE DATABASE '* | 'USE '*) break ;;
        esac
    done <&3
    cat head - <&3
    wait $dumper
}
"""
LOAD_SETTINGS = ("--innodb-log-file-size=128M",)
SESSION_SETTINGS = (
    "SET SESSION sql_log_bin = 0, SESSION lock_wait_timeout = 1, SESSION innodb_lock_wait_timeout = 1,"
    " SESSION max_statement_time = 10,"
    " SESSION sql_mode = 'STRICT_TRANS_TABLES'"
)
LOCKED_USERS = """
    SELECT json_objectagg(User, coalesce(json_value(Priv, '$.account_locked'), 0)) FROM mysql.global_priv
    WHERE User IN %(users)s AND Host = '%%'
    """
RIGHTS_OF_READERS = "SELECT, DELETE, DROP, LOCK TABLES, EXECUTE, SHOW VIEW, DELETE HISTORY"
STATUS_TABLE = "information_schema.global_status"
LOCK_ALL = (
    "SET SESSION sql_log_bin = 0",
    "UPDATE mysql.global_priv SET Priv = json_set(Priv, '$.account_locked', true)"
    " WHERE User NOT IN ('dbyard', 'mariadb.sys')",
    "FLUSH PRIVILEGES",
)


REMOVE_OTHERS = (
    "DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys'",
    "DELETE FROM mysql.proxies_priv",
    "FLUSH PRIVILEGES",
)
KEEP_ROOT = (
    "DELETE FROM mysql.global_priv WHERE User <> 'mariadb.sys' AND (User, Host) <> ('root', 'localhost')",
    "DELETE FROM mysql.proxies_priv",
    "FLUSH PRIVILEGES",
)


REPLAY_SETTINGS = (
    *("--skip-slave-start", "--skip-log-bin", "--relay-log-purge=OFF"),
    *("--replicate-wild-ignore-table=mysql.%", "--replicate-wild-ignore-table=sys.%"),
)
REPLAYS_OTHERS = False
BE_IDEMPOTENT = "SET GLOBAL slave_exec_mode = IDEMPOTENT"
LET_GO = "DO 0"
REPLAY = """
resumes=no
show_applier="SHOW SLAVE STATUS"
start_applier="START SLAVE SQL_THREAD"
stop_applier="STOP SLAVE"
forget="RESET SLAVE ALL; SET GLOBAL gtid_slave_pos = ''"
render_source() {
    echo "CHANGE MASTER TO MASTER_HOST = 'none', MASTER_USE_GTID = no, RELAY_LOG_FILE = '$log', RELAY_LOG_POS = $2"
}
is_idle() { :; }
revive() { query "UPDATE mysql.event SET status = 'ENABLED' WHERE status = 'SLAVESIDE_DISABLED'"; }
"""


def render_install(layout: Layout) -> Command:
    base = layout.bin.parent
    install = [
        str(base / "bin" / "mariadb-install-db"),
        "--no-defaults",
        f"--basedir={base}",
        f"--datadir={layout.data}",
        "--auth-root-authentication-method=normal",
        "--skip-test-db",
        "--force",  # without asking for the host's name
        f"--innodb-log-file-size={LEAST_LOG_MB}M",
        "--innodb-flush-method=nosync",
    ]
    return with_time_zones(layout, "mariadb-tzinfo-to-sql", install, "--extra-file")


def render_settings(plan: Plan, layout: Layout) -> Mapping[str, str]:
    cache = cache_mb(plan)
    before_11 = _is_before_11(layout)
    return {
        **render_places(layout),
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


def render_places(layout: Layout) -> Mapping[str, str]:
    base = layout.bin.parent
    return {
        "plugin-dir": str(base / "lib" / "mysql" / "plugin"),
        "lc-messages-dir": str(base / "share" / ("mysql" if _is_before_11(layout) else "mariadb")),
    }


def _is_before_11(layout: Layout) -> bool:
    return layout.full_version.startswith("10.")


def render_admin(user: str, password: str) -> tuple[str, ...]:
    return (
        f"CREATE USER {user}@'%' {identified(password)}",
        f"GRANT ALL PRIVILEGES ON *.* TO {user}@'%' WITH GRANT OPTION",
    )


def identified(password: str) -> str:
    return f"IDENTIFIED VIA mysql_native_password USING '{native_hash(password)}'"


derived = identified
"""A hash without salt."""


def limit_statements(seconds: float) -> str:
    return f"SET SESSION max_statement_time = {seconds:.3f}"


def reload_tls(session: Cursor) -> None:
    session.execute("SELECT @@have_ssl")
    row: Any = session.fetchone()
    if row[0] == "YES":
        session.execute("FLUSH SSL")
